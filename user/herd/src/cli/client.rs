//! Asking the daemon.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;

use super::Failure;
use crate::paths::Paths;
use crate::proto::{Answer, Request};

/// Connects, asks, and gives back the answer with the open connection.
pub(super) fn open(
    paths: &Paths,
    request: &Request,
) -> Result<(Answer, BufReader<UnixStream>), Failure> {
    let broken = |error: io::Error| Failure::NoDaemon(format!("herd stopped answering: {error}"));
    let mut stream = UnixStream::connect(paths.socket()).map_err(|error| absent(paths, &error))?;
    let mut line = serde_json::to_vec(request).map_err(|error| broken(error.into()))?;
    line.push(b'\n');
    stream.write_all(&line).map_err(broken)?;
    let mut stream = BufReader::new(stream);
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
    match ask(paths, request)? {
        Answer::Done { text } => Ok(text),
        other => Err(unexpected(other)),
    }
}

pub(super) fn unexpected(answer: Answer) -> Failure {
    Failure::Failed(format!("herd answered something else: {answer:?}"))
}
