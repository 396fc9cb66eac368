//! A recorded transcript, played again: the same tasks at the same distances, and each shall end as it did.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use prost::Message as _;
use serde::{Deserialize, Deserializer};
use tokio::time::{Instant, sleep_until};

use super::{Impatient, Server};
use crate::proto::api::Task;

/// The tasks of a transcript, in the order in which they were first given out, and how each ended.
#[derive(Clone, Debug)]
pub struct Replay {
    tasks: Vec<Recorded>,
}

#[derive(Clone, Debug)]
struct Recorded {
    /// Since the transcript began.
    after: Duration,
    task: Task,
    /// None if the transcript ends before the task does.
    outcome: Option<Outcome>,
}

/// How a task ended, as far as two runs can be compared: the words of a message may differ.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// Whether it was a success.
    pub success: bool,
    /// Code of the status.
    pub code: i32,
    /// The mark of a failure that shall not be tried again.
    pub non_retryable: bool,
    /// Full name of the payload of a success.
    pub response: Option<String>,
    /// Files that were accepted for it.
    pub uploads: usize,
}

/// Why a file is no transcript.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("the transcript cannot be read")]
    Read(#[source] io::Error),
    /// A line is not what a server of this kind writes.
    #[error("line {line} of the transcript: {fault}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        fault: String,
    },
}

/// Why a replay did not go as recorded.
#[derive(Debug, thiserror::Error)]
pub enum Divergence {
    /// A task did not end.
    #[error("task {task_id} did not end")]
    Impatient {
        /// The task.
        task_id: String,
        /// What was waited for.
        #[source]
        source: Impatient,
    },
    /// Tasks ended otherwise.
    #[error("{} tasks ended otherwise than recorded; first: {}", .0.len(), .0.first().map(String::as_str).unwrap_or_default())]
    Outcomes(Vec<String>),
}

impl Replay {
    /// Reads the `transcript.jsonl` of an earlier run.
    ///
    /// # Errors
    /// The file cannot be read, or a line of it is not of the right form.
    pub fn from_path(path: &Path) -> Result<Self, ReplayError> {
        let text = fs::read_to_string(path).map_err(ReplayError::Read)?;
        let mut reading = Reading::default();
        for (line, number) in text.lines().zip(1..) {
            reading.line(line).map_err(|fault| ReplayError::Line { line: number, fault })?;
        }
        Ok(reading.done())
    }

    /// What `server` has received so far.
    ///
    /// # Errors
    /// As for a file; only a fault of this module makes one.
    pub fn of(server: &Server) -> Result<Self, ReplayError> {
        let mut reading = Reading::default();
        for (entry, number) in server.transcript().iter().zip(1..) {
            let line = serde_json::to_string(entry).map_err(|error| error.to_string());
            let read = line.and_then(|line| reading.line(&line));
            read.map_err(|fault| ReplayError::Line { line: number, fault })?;
        }
        Ok(reading.done())
    }

    /// How many tasks it gives out.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether it gives out none.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Hands out the tasks on `server`, at their recorded distances divided by `faster`, and compares how they end.
    /// Tasks that had not ended are handed out and not waited for.
    ///
    /// # Errors
    /// A task does not end within the server's patience, or ends otherwise than it did.
    pub async fn play(
        &self,
        server: &Server,
        faster: u32,
        mut tell: impl FnMut(String),
    ) -> Result<(), Divergence> {
        let begun = Instant::now();
        for recorded in &self.tasks {
            sleep_until(begun + recorded.after / faster.max(1)).await;
            server.push(recorded.task.clone());
        }
        tell(format!("handed out {} tasks", self.tasks.len()));
        let ended = self.tasks.iter().filter_map(|recorded| Some((recorded, recorded.outcome.as_ref()?)));
        let ended: Vec<(&Recorded, &Outcome)> = ended.collect();
        for (recorded, _) in &ended {
            let task_id = &recorded.task.id;
            server
                .ended(task_id)
                .await
                .map_err(|source| Divergence::Impatient { task_id: task_id.clone(), source })?;
        }
        let now = Self::of(server).map_err(|error| Divergence::Outcomes(vec![error.to_string()]))?;
        let now: BTreeMap<&str, Option<&Outcome>> =
            now.tasks.iter().map(|played| (played.task.id.as_str(), played.outcome.as_ref())).collect();
        let otherwise: Vec<String> = ended
            .iter()
            .filter_map(|(recorded, outcome)| match now.get(recorded.task.id.as_str()).copied().flatten() {
                Some(played) if played == *outcome => None,
                Some(played) => Some(format!("task {}: {played}, recorded: {outcome}", recorded.task.id)),
                None => Some(format!("task {}: no outcome, recorded: {outcome}", recorded.task.id)),
            })
            .collect();
        if !otherwise.is_empty() {
            return Err(Divergence::Outcomes(otherwise));
        }
        tell(format!("{} tasks ended as recorded", ended.len()));
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.success, self.non_retryable) {
            (true, _) => write!(f, "success")?,
            (false, false) => write!(f, "error of code {}", self.code)?,
            (false, true) => write!(f, "final error of code {}", self.code)?,
        }
        if let Some(response) = &self.response {
            write!(f, " with {response}")?;
        }
        write!(f, " and {} files", self.uploads)
    }
}

/// A line of a transcript, in the members that matter here.
#[derive(Deserialize)]
struct Line {
    #[serde(deserialize_with = "timestamp")]
    at: Timestamp,
    #[serde(flatten)]
    event: Event,
    #[serde(default)]
    answer: String,
    #[serde(default)]
    processed: bool,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Poll {
        offered: Vec<Offer>,
    },
    Hello {
        task_id: String,
    },
    Upload {
        task_id: String,
        path: Option<String>,
    },
    Finish {
        task_id: String,
        success: bool,
        code: i32,
        non_retryable: bool,
        response: Option<String>,
        ended: Option<String>,
    },
    #[serde(other)]
    Else,
}

#[derive(Deserialize)]
struct Offer {
    protobuf: String,
}

#[derive(Default)]
struct Reading {
    begun: Option<Timestamp>,
    tasks: Vec<Recorded>,
    seen: BTreeSet<String>,
    uploads: BTreeMap<String, usize>,
    outcomes: BTreeMap<String, Outcome>,
}

impl Reading {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let begun = *self.begun.get_or_insert(line.at);
        let took_effect = line.answer == "accepted" || line.processed;
        match line.event {
            Event::Poll { offered } => {
                for offer in offered {
                    let task = decode(&offer.protobuf)?;
                    // a later delivery of one that was given out before is the server's affair
                    if self.seen.insert(task.id.clone()) {
                        let after = Duration::try_from(line.at.duration_since(begun)).unwrap_or_default();
                        self.tasks.push(Recorded { after, task, outcome: None });
                    }
                }
            }
            Event::Hello { task_id } if took_effect && !task_id.is_empty() => {
                let outcome =
                    Outcome { success: true, code: 0, non_retryable: false, response: None, uploads: 0 };
                self.outcomes.insert(task_id, outcome);
            }
            Event::Upload { task_id, path: Some(_) } => *self.uploads.entry(task_id).or_default() += 1,
            Event::Finish { task_id, success, code, non_retryable, response, ended: Some(ended) }
                if ended == "closed" =>
            {
                let uploads = self.uploads.get(&task_id).copied().unwrap_or_default();
                self.outcomes.insert(task_id, Outcome { success, code, non_retryable, response, uploads });
            }
            _ => {}
        }
        Ok(())
    }

    fn done(mut self) -> Replay {
        for recorded in &mut self.tasks {
            recorded.outcome = self.outcomes.remove(&recorded.task.id);
        }
        Replay { tasks: self.tasks }
    }
}

fn decode(protobuf: &str) -> Result<Task, String> {
    let bytes = STANDARD.decode(protobuf).map_err(|error| format!("protobuf is not base64: {error}"))?;
    Task::decode(&*bytes).map_err(|error| format!("protobuf is not a Task: {error}"))
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}
