//! Scripted trouble: what shall go wrong with the next calls.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tonic::Code;

/// A call that a connector makes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rpc {
    /// `POST /auth/v1/token`.
    Token,
    /// `Hello`.
    Hello,
    /// `GetTask`.
    GetTask,
    /// `GetTasks`.
    GetTasks,
    /// `Heartbeat`.
    Heartbeat,
    /// `UploadAsset`.
    UploadAsset,
    /// `FinishTask`.
    FinishTask,
    /// `StartDebugging`.
    StartDebugging,
}

/// What goes wrong with one call. Requests that break the protocol are refused as ever; a fault waits for a good one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The call takes effect; the reply leaves after this long.
    Slow(Duration),
    /// The call has no effect and is answered with this status. At the token endpoint the code is translated to HTTP.
    Status(Code, String),
    /// The call takes effect, but its connection drops before the reply.
    LoseReply,
    /// The connection drops before the call takes effect.
    Disconnect,
    /// The call has no effect and is never answered.
    Hang,
    /// The call takes effect, and is answered with these bytes where its message should be.
    Raw(Vec<u8>),
    /// `GetTasks` and `GetTask` alone: every task of the answer is given out twice: in the same answer, or in the next.
    Twice,
    /// `UploadAsset` alone: the connection drops once this many bytes of data have arrived.
    DropAfter(u64),
    /// Token endpoint alone: this HTTP status with an empty body.
    Http(u16),
    /// Token endpoint alone: status 200 with this body.
    Body(String),
    /// Token endpoint alone: a token in the right form that no later call is accepted with.
    WorthlessToken,
}

/// The faults that wait for their call, in order per call.
#[derive(Default)]
pub(super) struct Faults(HashMap<Rpc, VecDeque<Fault>>);

impl Faults {
    pub(super) fn push(&mut self, rpc: Rpc, fault: &Fault, times: usize) {
        self.0.entry(rpc).or_default().extend(std::iter::repeat_n(fault.clone(), times));
    }

    pub(super) fn take(&mut self, rpc: Rpc) -> Option<Fault> {
        self.0.get_mut(&rpc)?.pop_front()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
