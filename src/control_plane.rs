//! Client of the Baton service: it proves who we are, announces the connector, asks for tasks, keeps them leased,
//! uploads what was made and reports how each task ended.
//!
//! Everything goes over one HTTP/2 channel that is opened on first use, shared by all calls and opened again
//! after it broke. Every call has a deadline and may be dropped at any time: nothing is left half done on our
//! side, and the service sees a cancelled stream.

mod assertion;
mod backoff;
mod channel;
mod client;
mod error;
mod finish;
mod hint;
mod network;
mod os_info;
#[cfg(test)]
pub(crate) mod scripted;
mod token;
mod token_answer;
mod upload;

pub use backoff::Backoff;
pub use client::{Client, Heartbeat, Heartbeats, PolledTask, PolledTasks, SetupError};
pub use error::{Rpc, RpcError, chain};
pub use finish::{Finish, Unacknowledged};
pub use network::{Network, NetworkError, Proxies};
pub use token::TokenError;
pub use token_answer::TokenAnswer;
pub use upload::UploadError;
