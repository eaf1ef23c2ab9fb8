//! Asking the daemon.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::Failure;
use crate::paths::Paths;
use crate::proto::{Answer, Request, Status};

/// A request that is not answered yet.
pub(super) struct Asked(BufReader<UnixStream>);

fn broken(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            Failure::TimedOut("herd has not answered in time".to_owned())
        }
        _ => Failure::NoDaemon(format!("herd stopped answering: {error}")),
    }
}

/// Connects and asks.
pub(super) fn begin(paths: &Paths, request: &Request) -> Result<Asked, Failure> {
    let mut stream = UnixStream::connect(paths.socket()).map_err(|error| absent(paths, &error))?;
    let mut line = serde_json::to_vec(request).map_err(|error| broken(error.into()))?;
    line.push(b'\n');
    stream.write_all(&line).map_err(broken)?;
    Ok(Asked(BufReader::new(stream)))
}

impl Asked {
    /// Waits for the answer, until `until` if that is given; the answer with
    /// the open connection.
    pub(super) fn answer(
        self,
        until: Option<Instant>,
    ) -> Result<(Answer, BufReader<UnixStream>), Failure> {
        let mut stream = self.0;
        if let Some(until) = until {
            // None at all would be no limit. What has come is still read.
            let left = until.saturating_duration_since(Instant::now());
            let left = left.max(Duration::from_millis(1));
            stream
                .get_ref()
                .set_read_timeout(Some(left))
                .map_err(broken)?;
        }
        let mut line = String::new();
        stream.read_line(&mut line).map_err(broken)?;
        if line.is_empty() {
            return Err(broken(ErrorKind::UnexpectedEof.into()));
        }
        match serde_json::from_str(&line) {
            Ok(Answer::Refused { fault, text }) => Err((fault, text).into()),
            Ok(answer) => Ok((answer, stream)),
            Err(error) => Err(Failure::Failed(format!(
                "herd answered something else ({error}); is it of this version?"
            ))),
        }
    }

    /// Waits for an answer that is a line of text.
    pub(super) fn done(self, until: Option<Instant>) -> Result<String, Failure> {
        match self.answer(until)?.0 {
            Answer::Done { text } => Ok(text),
            other => Err(unexpected(other)),
        }
    }
}

/// Connects, asks, and gives back the answer with the open connection.
pub(super) fn open(
    paths: &Paths,
    request: &Request,
) -> Result<(Answer, BufReader<UnixStream>), Failure> {
    begin(paths, request)?.answer(None)
}

fn absent(paths: &Paths, error: &io::Error) -> Failure {
    let socket = paths.socket();
    let socket = socket.display();
    Failure::NoDaemon(match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            format!("herd does not run (nobody answers at {socket}); start it with `herd daemon`")
        }
        ErrorKind::PermissionDenied => format!("{socket}: {error}; try it as root"),
        _ => format!("{socket}: {error}"),
    })
}

pub(super) fn ask(paths: &Paths, request: &Request) -> Result<Answer, Failure> {
    open(paths, request).map(|(answer, _)| answer)
}

/// Asks for something that is answered with a line of text.
pub(super) fn done(paths: &Paths, request: &Request) -> Result<String, Failure> {
    begin(paths, request)?.done(None)
}

/// Asks for the state of all services, or of one.
pub(super) fn services(paths: &Paths, name: Option<&str>) -> Result<Vec<Status>, Failure> {
    let name = name.map(str::to_owned);
    match ask(paths, &Request::Status { name })? {
        Answer::Services { services } => Ok(services),
        other => Err(unexpected(other)),
    }
}

pub(super) fn unexpected(answer: Answer) -> Failure {
    Failure::Failed(format!("herd answered something else: {answer:?}"))
}
