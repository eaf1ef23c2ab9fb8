//! Beginnings beyond those that a listener keeps: each is answered with a number
//! that remembers it ([`crate::cookies`]), and is a connection once that comes back.

use super::{Host, Path, Stack};
use crate::cookies;
use crate::keys::Tuple;
use crate::options::Options;
use crate::segment::{EMPTY, Flags, Header, Payload};
use crate::slab::Id;
use crate::tcp::{Connection, DEFAULT_MSS};
use paddock_charge::Charge;

impl<H: Host> Stack<H> {
    /// Answers a SYN from the wire, of which nothing is kept. Without room for an
    /// established connection it is dropped: the peer tries again.
    pub(super) fn answer_with_cookie(
        &mut self,
        now: u64,
        parent: Id,
        tuple: &Tuple,
        syn: &Header,
    ) -> Option<()> {
        let path = Path::Link;
        let listener = self.listeners.get(parent)?;
        if !listener.has_room() {
            return None;
        }
        listener.cookies_until = now + cookies::LIFETIME;
        let settings = listener.settings;
        let charge = Charge::new(&listener.account, 0).ok()?;
        let mss = syn.options.mss.unwrap_or(DEFAULT_MSS);
        let number = cookies::make(&self.keys, tuple, syn.seq, mss, now);
        let mut origin = self.origin(now, tuple, path);
        origin.iss = number;
        let begun = forgotten(syn, mss);
        let mut connection = Connection::answer(origin, settings, &begun, now, charge);
        let answer = connection.next_segment(now, 0)?;
        self.send(now, path, (&answer.header, EMPTY, 0), &settings);
        Some(())
    }

    /// A segment for no connection may be the answer to a cookie: then there is one.
    /// Whether it was.
    pub(super) fn begin_by_cookie(
        &mut self,
        now: u64,
        parent: Id,
        tuple: &Tuple,
        header: &Header,
        data: Payload<'_>,
    ) -> bool {
        let control = Flags::SYN | Flags::RST | Flags::ACK;
        let Some(listener) = self.listeners.get(parent) else {
            return false;
        };
        if listener.cookies_until <= now || header.flags & control != Flags::ACK {
            return false;
        }
        let has_room = listener.has_room();
        let (first, number) = (header.seq - 1, header.ack - 1);
        let Some(mss) = cookies::check(&self.keys, tuple, first, number, now) else {
            return false;
        };
        // Without room it comes again, with the peer's data.
        if has_room && let Some(id) = self.known_again(now, parent, tuple, header, mss) {
            self.input(now, header, data, Some(id));
        }
        true
    }

    /// The connection as it was when its SYN had been answered.
    fn known_again(
        &mut self,
        now: u64,
        parent: Id,
        tuple: &Tuple,
        header: &Header,
        mss: u16,
    ) -> Option<Id> {
        let begun = Header {
            seq: header.seq - 1,
            ..forgotten(header, mss)
        };
        let first = Some(header.ack - 1);
        let id = self.begin(now, Path::Link, parent, (tuple, &begun), first)?;
        // The answer has been sent.
        self.connections.get(id)?.connection.next_segment(now, 0)?;
        Some(id)
    }
}

/// A SYN without what a cookie does not remember.
fn forgotten(header: &Header, mss: u16) -> Header {
    Header {
        flags: Flags::SYN,
        options: Options {
            mss: Some(mss),
            ..Options::default()
        },
        ..*header
    }
}
