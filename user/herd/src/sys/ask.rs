//! Connections to services by which herd asks how they are. Nothing waits.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

/// Longest part of an answer that is looked at, in bytes.
const ANSWER: usize = 512;

/// A question under way.
pub(crate) struct Question {
    // Any stream socket: reading and writing are the same for all.
    stream: UnixStream,
    /// What is sent once it is connected, and not yet sent.
    request: Option<Vec<u8>>,
    is_connected: bool,
    answer: Vec<u8>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It waits to write.
    Writing,
    /// It waits for the answer.
    Reading,
    /// The answer is a good one.
    Good,
}

fn socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(socket_with(family, SocketType::STREAM, flags, None)?)
}

fn begun(result: Result<(), Errno>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Question {
    /// Begins to connect to `at`, to ask for `page` if there is one.
    ///
    /// # Errors
    /// Those of `socket(2)` and `connect(2)`.
    pub(crate) fn tcp(at: SocketAddr, page: Option<&str>) -> io::Result<Question> {
        let family = match at {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let socket = socket(family)?;
        begun(connect(&socket, &at))?;
        let request = page.map(|page| {
            format!("GET {page} HTTP/1.0\r\nHost: {at}\r\nConnection: close\r\n\r\n").into_bytes()
        });
        Ok(Question::new(socket, request))
    }

    /// Begins to connect to the socket at `path`.
    ///
    /// # Errors
    /// As for [`Question::tcp`].
    pub(crate) fn unix(path: &Path) -> io::Result<Question> {
        let socket = socket(AddressFamily::UNIX)?;
        begun(connect(&socket, &SocketAddrUnix::new(path)?))?;
        Ok(Question::new(socket, None))
    }

    fn new(socket: OwnedFd, request: Option<Vec<u8>>) -> Question {
        Question {
            stream: socket.into(),
            request,
            is_connected: false,
            answer: Vec::new(),
        }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Goes on as far as it can without waiting.
    ///
    /// # Errors
    /// There is no good answer: why.
    pub(crate) fn go_on(&mut self) -> io::Result<Progress> {
        if !self.is_connected {
            socket_error(&self.stream)??;
            self.is_connected = true;
            if self.request.is_none() {
                return Ok(Progress::Good);
            }
        }
        if let Some(request) = &mut self.request {
            while !request.is_empty() {
                match self.stream.write(request) {
                    Ok(count) => drop(request.drain(..count)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Ok(Progress::Writing);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        self.read()
    }

    fn read(&mut self) -> io::Result<Progress> {
        let mut bytes = [0; ANSWER];
        loop {
            if self.answer.contains(&b'\n') || self.answer.len() >= ANSWER {
                return judge(&self.answer);
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return judge(&self.answer),
                Ok(count) => self.answer.extend(bytes.iter().take(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Progress::Reading);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether an answer of a web server is a good one.
fn judge(answer: &[u8]) -> io::Result<Progress> {
    let line = answer
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let line = line.trim();
    let mut words = line.split(' ');
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/"));
    let status: Option<u16> = words.next().and_then(|word| word.parse().ok());
    match status {
        Some(200..=399) if is_http => Ok(Progress::Good),
        _ => Err(io::Error::other(format!("it answers {line:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// What comes of a question, when that is known.
    fn outcome(question: &mut Question) -> io::Result<()> {
        loop {
            match question.go_on()? {
                Progress::Good => return Ok(()),
                _ => std::thread::yield_now(),
            }
        }
    }

    #[test]
    fn pages_are_judged_by_their_status() {
        for (answer, good) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.0 302 Found\r\n", true),
            ("HTTP/1.1 503 no\r\n", false),
            ("SSH-2.0-x\r\n", false),
            ("", false),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let at = listener.local_addr().unwrap();
            let mut question = Question::tcp(at, Some("/x")).unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            let mut asked = [0; 11];
            let asker = std::thread::spawn(move || outcome(&mut question).is_ok());
            stream.read_exact(&mut asked).unwrap();
            assert_eq!(&asked, b"GET /x HTTP");
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(asker.join().unwrap(), good, "{answer}");
        }
    }

    #[test]
    fn a_port_that_nobody_has_is_no_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        assert!(outcome(&mut Question::tcp(at, None).unwrap()).is_ok());
        drop(listener);
        let asked = Question::tcp(at, None).and_then(|mut question| outcome(&mut question));
        assert!(asked.is_err());
        assert!(Question::unix(Path::new("/nowhere/x")).is_err());
    }
}
