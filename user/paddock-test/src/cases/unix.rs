//! Unix stream sockets.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use super::{Outcome, folder};
use crate::report::Report;
use crate::sys::{self, End, Hash, Noise};

pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    let folder = folder(words, "unix")?;
    let outcome = checks(report, &folder).map_err(|error| error.to_string());
    let _ = fs::remove_dir_all(&folder);
    outcome
}

fn checks(report: &mut Report, folder: &Path) -> io::Result<()> {
    pair(report)?;
    let name = folder.join("socket");
    let kind = |result: io::Result<UnixStream>| result.map(drop).map_err(|error| error.kind());
    report.same(
        "nothing there",
        kind(UnixStream::connect(&name)),
        Err(ErrorKind::NotFound),
    );
    let listener = UnixListener::bind(&name)?;
    let twice = UnixListener::bind(&name).map(drop).map_err(|e| e.kind());
    report.same("a name is taken once", twice, Err(ErrorKind::AddrInUse));
    conversation(report, &listener, &name)?;
    between_processes(report, &listener, &name)?;
    drop(listener);
    let refused = kind(UnixStream::connect(&name));
    report.same("nobody listens", refused, Err(ErrorKind::ConnectionRefused));
    fs::remove_file(&name)?;
    report.works(
        "the name is free again",
        UnixListener::bind(&name).map_err(|_| sys::Errno(0)),
    );
    Ok(())
}

fn pair(report: &mut Report) -> io::Result<()> {
    let (mut one, mut two) = UnixStream::pair()?;
    one.write_all(b"there")?;
    two.write_all(b"back")?;
    let mut bytes = [0; 5];
    two.read_exact(&mut bytes)?;
    report.same("a pair, one way", &bytes, b"there");
    one.read_exact(&mut bytes[..4])?;
    report.same("and the other", &bytes[..4], b"back");
    one.shutdown(Shutdown::Write)?;
    report.same("half closed", two.read(&mut bytes)?, 0);
    two.write_all(b"x")?;
    report.same("half open", one.read(&mut bytes)?, 1);
    drop(one);
    let broken = two.write_all(b"x").map_err(|error| error.kind());
    report.same("broken", broken.err(), Some(ErrorKind::BrokenPipe));
    Ok(())
}

fn conversation(report: &mut Report, listener: &UnixListener, name: &Path) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let nobody = listener.accept().map(drop).map_err(|error| error.kind());
    report.same("nobody calls", nobody, Err(ErrorKind::WouldBlock));
    let mut clients: Vec<UnixStream> = (0..5)
        .map(|_| UnixStream::connect(name))
        .collect::<Result<_, _>>()?;
    clients[0].write_all(b"before accept")?;
    let (mut server, _) = listener.accept()?;
    let mut bytes = [0; 13];
    server.read_exact(&mut bytes)?;
    report.same("written before it is accepted", &bytes, b"before accept");
    for _ in 1..5 {
        listener.accept()?;
    }
    report.same("the others are there", listener.accept().is_err(), true);
    listener.set_nonblocking(false)
}

fn between_processes(report: &mut Report, listener: &UnixListener, name: &Path) -> io::Result<()> {
    let text = Noise::new(5).bytes(1 << 20);
    let child = sys::fork(|| {
        let send = || -> io::Result<()> {
            let mut stream = UnixStream::connect(name)?;
            stream.write_all(&text)?;
            stream.shutdown(Shutdown::Write)?;
            let mut hash = [0; 8];
            stream.read_exact(&mut hash)?;
            assert_eq!(hash, Hash::of(&text).0.to_le_bytes());
            Ok(())
        };
        i32::from(send().is_err())
    });
    let child = child.map_err(|errno| io::Error::from_raw_os_error(errno.0))?;
    let (mut stream, _) = listener.accept()?;
    let mut found = Vec::new();
    stream.read_to_end(&mut found)?;
    stream.write_all(&Hash::of(&found).0.to_le_bytes())?;
    report.same("a million bytes", found.len(), text.len());
    let end = sys::wait(child);
    report.same("unchanged", end, Ok(End::Exited(0)));
    let other = thread::spawn({
        let name = name.to_owned();
        move || UnixStream::connect(name).map(drop)
    });
    let (mut stream, _) = listener.accept()?;
    report.same("a caller that leaves", stream.read(&mut [0; 4])?, 0);
    report.check("leaves well", matches!(other.join(), Ok(Ok(()))));
    Ok(())
}
