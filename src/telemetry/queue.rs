//! Lines on their way to a reader who may be slow, or may not read at all.
//!
//! Whoever tells something puts a line into a queue and goes on; one thread for each output writes. When a queue is
//! full, lines are dropped and counted, and the place in the log where they are missing says how many. Lines that
//! tell of a write to AWS have room of their own behind that of the others, so they are the last to be dropped.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::metrics::{self, Dropped};

/// Bytes of lines of all kinds that wait.
const ROOM: usize = 8 << 20;
/// Bytes beyond it for lines that tell of a write to AWS.
const AUDIT_ROOM: usize = 4 << 20;

/// The queue of one output. Dropped, it writes what waits and ends; nobody waits for that.
#[derive(Debug)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    /// Bytes of the lines that wait or are being written.
    bytes: usize,
    /// Whether the thread is writing.
    writing: bool,
    ended: bool,
}

#[derive(Debug)]
enum Entry {
    Line(Arc<str>),
    /// Here so many lines are missing.
    Gap(u64),
}

impl Queue {
    /// A queue whose thread writes to `output`; `gap` gives the line that says how many lines are missing.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn begin(
        output: Box<dyn Write + Send>,
        gap: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let queue = Self(Arc::clone(&shared));
        thread::Builder::new().name("log".to_owned()).spawn(move || shared.write(output, gap))?;
        Ok(queue)
    }

    /// Adds a line, or drops it where there is no room. It never waits for the output.
    pub(super) fn add(&self, line: &Arc<str>, is_audit: bool) {
        let room = if is_audit { ROOM + AUDIT_ROOM } else { ROOM };
        let mut state = self.0.lock();
        if state.bytes + line.len() <= room {
            state.bytes += line.len();
            state.entries.push_back(Entry::Line(Arc::clone(line)));
            drop(state);
            return self.0.changed.notify_all();
        }
        match state.entries.back_mut() {
            Some(Entry::Gap(missing)) => *missing += 1,
            _ => state.entries.push_back(Entry::Gap(1)),
        }
        drop(state);
        metrics::log_line_dropped(if is_audit { Dropped::Audit } else { Dropped::Other });
    }

    /// Waits until all lines are written, or until `deadline`.
    pub(super) fn settle(&self, deadline: Instant) {
        let mut state = self.0.lock();
        while state.writing || !state.entries.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return;
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    /// Writes entries as they come, until the queue is dropped and empty.
    fn write(&self, mut output: Box<dyn Write + Send>, gap: impl Fn(u64) -> String) {
        let mut state = self.lock();
        loop {
            state.writing = false;
            let Some(entry) = state.entries.pop_front() else {
                if state.ended {
                    return;
                }
                // Also for those who wait until everything is written.
                self.changed.notify_all();
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.writing = true;
            drop(state);
            // A log that cannot be written must not end the work that it tells of.
            let written = match &entry {
                Entry::Line(line) => output.write_all(line.as_bytes()),
                Entry::Gap(missing) => output.write_all(gap(*missing).as_bytes()),
            };
            let _ = written.and_then(|()| output.flush());
            state = self.lock();
            if let Entry::Line(line) = entry {
                state.bytes -= line.len();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// An output whose reader takes one write after the other, when it wants to.
    struct Slow(mpsc::SyncSender<String>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.0.send(text).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Queue, mpsc::Receiver<String>) {
        let (sender, receiver) = mpsc::sync_channel(0);
        let queue = Queue::begin(Box::new(Slow(sender)), |missing| format!("{missing} are missing")).unwrap();
        (queue, receiver)
    }

    fn line(letter: &str, length: usize) -> Arc<str> {
        letter.repeat(length).into()
    }

    #[test]
    fn a_reader_who_does_not_read_holds_up_nobody_and_learns_what_is_missing() {
        let (queue, reader) = slow();
        let length = 1 << 20;
        // Eight fit; nobody has read one.
        for _ in 0..20 {
            queue.add(&line("a", length), false);
        }
        queue.add(&line("b", length), true);
        queue.add(&line("c", 1), false);
        drop(queue);
        let read: Vec<String> = reader.iter().collect();
        let shown: Vec<&str> =
            read.iter().map(|text| if text.len() == length { &text[..1] } else { text }).collect();
        assert_eq!(shown, ["a", "a", "a", "a", "a", "a", "a", "a", "12 are missing", "b", "1 are missing"]);
    }

    #[test]
    fn lines_of_audit_have_an_end_too() {
        let (queue, reader) = slow();
        for _ in 0..20 {
            queue.add(&line("a", 1 << 20), true);
        }
        drop(queue);
        assert_eq!(reader.iter().last().unwrap(), "8 are missing");
    }

    #[test]
    fn settling_waits_for_the_last_line_and_not_for_a_reader_who_is_gone_for_good() {
        let (queue, reader) = slow();
        queue.add(&line("a", 1), false);
        queue.settle(Instant::now());
        let reading = thread::spawn(move || reader.recv().unwrap());
        queue.settle(Instant::now() + Duration::from_mins(1));
        assert!(queue.0.lock().entries.is_empty());
        assert_eq!(reading.join().unwrap(), "a");
        // The reader was dropped: writing fails, which ends nothing.
        queue.add(&line("b", 1), false);
        queue.settle(Instant::now() + Duration::from_mins(1));
        assert!(queue.0.lock().entries.is_empty());
    }
}
