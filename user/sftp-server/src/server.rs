//! From messages to answers.

use std::io::{self, Read, Write};

use rustix::process::{Resource, getrlimit};

use crate::handles::Handles;
use crate::names::Names;
use crate::status::{Code, Status};
use crate::wire::{Put, Reader};

/// The largest message taken, in bytes without its length.
pub const MAX_MESSAGE: usize = 256 * 1024;
/// The most data in one message: room is left for what is around it.
pub const MAX_DATA: usize = MAX_MESSAGE - 1024;
/// Answers that may wait before they are written, in bytes.
const MAX_WAITING: usize = 256 * 1024;
/// Descriptors that are not the client's.
const OWN_FILES: u64 = 16;
/// The most handles, whatever the limit of descriptors is.
const MAX_HANDLES: u64 = 4096;

const INIT: u8 = 1;
const VERSION: u8 = 2;
const STATUS: u8 = 101;
const HANDLE: u8 = 102;
const DATA: u8 = 103;
const NAME: u8 = 104;
const ATTRS: u8 = 105;
const EXTENDED_REPLY: u8 = 201;

/// How to serve.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Nothing is changed.
    pub is_read_only: bool,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It succeeded, and that is all.
    Done,
    /// A handle's name.
    Handle([u8; 8]),
    /// Data of a file.
    Data(Vec<u8>),
    /// The body of an NAME message, after the identifier.
    Names(Vec<u8>),
    /// The body of an ATTRS message, likewise.
    Attributes(Vec<u8>),
    /// The body of the reply to an extension, likewise.
    Extended(Vec<u8>),
}

/// What a request comes to.
pub type Outcome = Result<Reply, Status>;

/// A client's files.
#[derive(Debug)]
pub struct Server {
    pub(crate) options: Options,
    pub(crate) handles: Handles,
    pub(crate) names: Names,
}

/// Serves a client until its input ends.
///
/// # Errors
/// Those of reading and writing; `InvalidData` if the client breaks the
/// protocol so that nothing more can be understood.
pub fn serve(mut input: impl Read, mut output: impl Write, options: &Options) -> io::Result<()> {
    let mut server = Server::new(*options);
    let mut received = vec![0; MAX_MESSAGE + 4];
    let mut held = 0;
    let mut answers = Vec::new();
    let mut has_begun = false;
    loop {
        let count = match input.read(&mut received[held..]) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        held += count;
        let mut used = 0;
        while let Some(message) = next_message(&received[used..held])? {
            used += 4 + message.len();
            match has_begun {
                true => server.answer(message, &mut answers),
                false => begin(message, &mut answers)?,
            }
            has_begun = true;
            if answers.len() >= MAX_WAITING {
                flush(&mut output, &mut answers)?;
            }
        }
        received.copy_within(used..held, 0);
        held -= used;
        flush(&mut output, &mut answers)?;
    }
}

fn flush(output: &mut impl Write, answers: &mut Vec<u8>) -> io::Result<()> {
    output.write_all(answers)?;
    output.flush()?;
    answers.clear();
    Ok(())
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The message at the front, if it is complete.
fn next_message(received: &[u8]) -> io::Result<Option<&[u8]>> {
    let Some((field, rest)) = received.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*field) as usize;
    match (1..=MAX_MESSAGE).contains(&length) {
        true => Ok(rest.get(..length)),
        false => Err(broken("a message of a bad length")),
    }
}

/// The first message, and the answer that says what there is.
fn begin(message: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut reader = Reader::new(message);
    match (reader.u8(), reader.u32()) {
        (Ok(INIT), Ok(3..)) => {}
        _ => return Err(broken("the client does not speak version 3")),
    }
    let mut body = vec![VERSION];
    body.put_u32(3);
    for (name, version) in crate::extensions::OFFERED {
        body.put_string(name.as_bytes());
        body.put_string(version.as_bytes());
    }
    out.put_string(&body);
    Ok(())
}

impl Server {
    /// One without handles.
    pub fn new(options: Options) -> Self {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(MAX_HANDLES);
        let most = files.saturating_sub(OWN_FILES).clamp(8, MAX_HANDLES);
        Self {
            options,
            handles: Handles::new(most as usize),
            names: Names::default(),
        }
    }

    /// Appends the answer to a message.
    fn answer(&mut self, message: &[u8], out: &mut Vec<u8>) {
        let mut reader = Reader::new(message);
        let (kind, id) = match (reader.u8(), reader.u32()) {
            (Ok(kind), Ok(id)) => (kind, id),
            // Without an identifier there is nothing to answer to.
            _ => return,
        };
        let outcome = self.request(kind, &mut reader);
        write_answer(id, outcome, out);
    }

    /// Does what a request of section 6 asks for.
    fn request(&mut self, kind: u8, reader: &mut Reader<'_>) -> Outcome {
        match kind {
            3 => self.open(reader),
            4 => self.close(reader),
            5 => self.read(reader),
            6 => self.write(reader),
            7 => self.stat(reader, false),
            8 => self.stat_handle(reader),
            9 => self.set(reader, true),
            10 => self.set_handle(reader),
            11 => self.open_folder(reader),
            12 => self.read_folder(reader),
            13 => self.remove(reader),
            14 => self.make_folder(reader),
            15 => self.remove_folder(reader),
            16 => self.real_path(reader),
            17 => self.stat(reader, true),
            18 => self.rename(reader),
            19 => self.read_link(reader),
            20 => self.make_link(reader),
            200 => self.extended(reader),
            _ => Err(Status::new(Code::Unsupported, "Unknown request")),
        }
    }

    /// Insists that changes are allowed.
    pub(crate) fn may_change(&self) -> Result<(), Status> {
        match self.options.is_read_only {
            true => Err(Status::read_only()),
            false => Ok(()),
        }
    }
}

fn write_answer(id: u32, outcome: Outcome, out: &mut Vec<u8>) {
    let mut message = |kind: u8, body: &[u8]| {
        out.put_u32(body.len() as u32 + 5);
        out.push(kind);
        out.put_u32(id);
        out.extend_from_slice(body);
    };
    match outcome {
        Ok(Reply::Done) => message(STATUS, &status_body(&Status::new(Code::Ok, "Success"))),
        Err(status) => message(STATUS, &status_body(&status)),
        Ok(Reply::Handle(name)) => message(HANDLE, &[&8u32.to_be_bytes()[..], &name].concat()),
        Ok(Reply::Names(body)) => message(NAME, &body),
        Ok(Reply::Attributes(body)) => message(ATTRS, &body),
        Ok(Reply::Extended(body)) => message(EXTENDED_REPLY, &body),
        Ok(Reply::Data(data)) => {
            out.put_u32(data.len() as u32 + 9);
            out.push(DATA);
            out.put_u32(id);
            out.put_string(&data);
        }
    }
}

fn status_body(status: &Status) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_u32(status.code as u32);
    body.put_string(status.text.as_bytes());
    body.put_string(b"");
    body
}
