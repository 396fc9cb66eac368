//! A socket in the work directory, by which somebody in the pod speaks to the running daemon.
//!
//! The directory belongs to the daemon's user alone, and so does the socket: whoever can open it could end the
//! process as well. The pod's network has no such door.

use std::fs::{self, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::geteuid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use tracing::Level;

use super::{connections, work_dir};
use crate::telemetry::level;
use crate::text::{self, printable};

const SOCKET: &str = "control.sock";
/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest order or answer, in bytes.
const LONGEST: u64 = 256;
/// The longest time for which another level may hold, in seconds.
const LONGEST_TIME: u64 = 24 * 60 * 60;
const VERB: &str = "log-level";

/// What the log is to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogOrder {
    /// Of this level for a time of 1 s to 24 h, then as the settings say.
    For(Level, Duration),
    /// As the settings say.
    Reset,
}

impl LogOrder {
    fn encode(self) -> String {
        match self {
            Self::For(level, time) => format!("{VERB} {level} {}", time.as_secs()),
            Self::Reset => format!("{VERB} reset"),
        }
    }

    fn decode(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let order = match (words.next()?, words.next()?, words.next()) {
            (VERB, "reset", None) => Self::Reset,
            (VERB, level, Some(seconds)) => {
                let seconds = seconds.parse().ok().filter(|seconds| (1..=LONGEST_TIME).contains(seconds))?;
                Self::For(level.parse().ok()?, Duration::from_secs(seconds))
            }
            _ => return None,
        };
        words.next().is_none().then_some(order)
    }

    /// Carries it out; gives what to answer.
    fn execute(self) -> String {
        match self {
            Self::For(level, time) => {
                level::set_for(level, time);
                format!("log level is {level} for {} s", time.as_secs())
            }
            Self::Reset => match level::reset() {
                Some(level) => format!("log level is {level}"),
                None => "there is no log".to_owned(),
            },
        }
    }
}

/// Opens the socket in `work_dir`, mode 0600.
pub(super) fn listen(work_dir: &Path) -> io::Result<UnixListener> {
    let path = work_dir.join(SOCKET);
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Carries out orders until it is dropped.
pub(super) async fn serve(listener: UnixListener) {
    connections::serve(listener, |stream| async {
        // One who does not finish in time, or goes away, gets no answer.
        drop(timeout(PATIENCE, answer(stream)).await);
    })
    .await;
}

async fn answer(mut stream: UnixStream) -> io::Result<()> {
    let mut order = String::new();
    (&mut stream).take(LONGEST).read_to_string(&mut order).await?;
    let answer = LogOrder::decode(&order).map_or_else(|| "no such order".to_owned(), LogOrder::execute);
    stream.write_all(answer.as_bytes()).await
}

/// Gives an order to each daemon of this user that has its work directory in `parent` (default: the system's
/// directory for temporary files), and returns what they answer, printable and on one line each.
///
/// A directory of another user is passed over: whoever made it could answer anything. Blocks, for five seconds per
/// daemon at most.
pub fn ask(parent: Option<&Path>, order: LogOrder) -> io::Result<Vec<String>> {
    let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
    let own = work_dir::within(&parent)?.into_iter().filter(|dir| is_private(dir));
    // A socket that nobody listens on was left by a process that is gone.
    let answers = own.filter_map(|dir| ask_one(&dir.join(SOCKET), order).ok());
    Ok(answers.map(|answer| printable(&answer, text::NAME).into_owned()).collect())
}

/// Whether it is a directory, not a link to one, that belongs to this user and that nobody else can write to.
fn is_private(dir: &Path) -> bool {
    fs::symlink_metadata(dir).is_ok_and(|meta| {
        meta.is_dir() && meta.uid() == geteuid().as_raw() && meta.permissions().mode() & 0o022 == 0
    })
}

fn ask_one(socket: &PathBuf, order: LogOrder) -> io::Result<String> {
    let mut stream = std::os::unix::net::UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(order.encode().as_bytes())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_the_way_and_others_are_refused() {
        for order in [LogOrder::For(Level::DEBUG, Duration::from_mins(15)), LogOrder::Reset] {
            assert_eq!(LogOrder::decode(&order.encode()), Some(order));
        }
        for text in [
            "",
            "log-level",
            "log-level debug",
            "log-level loud 60",
            "log-level debug 0",
            "log-level debug 86401",
            "log-level debug 60 more",
            "exit",
        ] {
            assert_eq!(LogOrder::decode(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn the_socket_is_its_users_alone() {
        let dir = tempfile::tempdir().unwrap();
        let _listener = listen(dir.path()).unwrap();
        let mode = fs::metadata(dir.path().join(SOCKET)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    /// Answers whoever asks with `answer`, on a socket in a work directory in `parent`.
    fn answering(parent: &Path, answer: &'static [u8]) -> PathBuf {
        let dir = parent.join("batond-work-other");
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
        let listener = std::os::unix::net::UnixListener::bind(dir.join(SOCKET)).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read_to_end(&mut Vec::new());
                let _ = stream.write_all(answer);
            }
        });
        dir
    }

    #[test]
    fn an_answer_is_one_printable_line() {
        let parent = tempfile::tempdir().unwrap();
        answering(parent.path(), b"log level is info\n\x1b]0;title\x07");
        let answers = ask(Some(parent.path()), LogOrder::Reset).unwrap();
        assert_eq!(answers, [r"log level is info \u{1b}]0;title\u{7}"]);
    }

    #[test]
    fn a_directory_that_others_can_write_to_or_that_is_a_link_is_not_asked() {
        let parent = tempfile::tempdir().unwrap();
        let dir = answering(parent.path(), b"anything");
        fs::set_permissions(&dir, Permissions::from_mode(0o777)).unwrap();
        assert!(ask(Some(parent.path()), LogOrder::Reset).unwrap().is_empty());
        fs::set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
        let aside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(&dir, aside.path().join("batond-work-link")).unwrap();
        assert!(ask(Some(aside.path()), LogOrder::Reset).unwrap().is_empty());
    }

    #[tokio::test]
    async fn one_who_says_nothing_does_not_keep_an_order_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let serving = tokio::spawn(serve(listen(dir.path()).unwrap()));
        let silent = UnixStream::connect(dir.path().join(SOCKET)).await.unwrap();
        let mut asking = UnixStream::connect(dir.path().join(SOCKET)).await.unwrap();
        asking.write_all(b"nonsense").await.unwrap();
        asking.shutdown().await.unwrap();
        let mut answer = String::new();
        asking.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "no such order");
        let still_open = silent.try_read(&mut [0]).unwrap_err();
        assert_eq!(still_open.kind(), io::ErrorKind::WouldBlock, "the order waited for nobody");
        serving.abort();
    }

    #[test]
    fn a_directory_without_daemons_gives_no_answers() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("batond-work-dead")).unwrap();
        assert!(ask(Some(dir.path()), LogOrder::Reset).unwrap().is_empty());
        assert!(ask(Some(&dir.path().join("missing")), LogOrder::Reset).is_err());
    }
}
