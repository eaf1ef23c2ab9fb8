//! A name server (RFC 1035) that knows one address for every name.

use super::Outcome;
use crate::report::Report;
use std::net::{Ipv4Addr, UdpSocket};

/// Bytes of a message's header, and of a question behind its name.
const HEADER: usize = 12;
const QUESTION: usize = 4;
const TYPE_A: [u8; 2] = [0, 1];

/// The answer to a question. `None` if it is none.
fn answer(query: &[u8], address: Ipv4Addr) -> Option<Vec<u8>> {
    let name = query.get(HEADER..)?;
    let mut end = 0;
    while let length @ 1.. = *name.get(end)? {
        end += 1 + usize::from(length);
    }
    let question = name.get(..end + 1 + QUESTION)?;
    let known = question[end + 1..end + 3] == TYPE_A;
    let mut message = query[..2].to_vec();
    // An answer, recursion wanted and to be had; one question, and what is known.
    message.extend([0x81, 0x80, 0, 1, 0, u8::from(known), 0, 0, 0, 0]);
    message.extend(question);
    if known {
        // The name as above, type A, class IN, for a minute, four bytes.
        message.extend([0xc0, HEADER as u8, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        message.extend(address.octets());
    }
    Some(message)
}

pub fn run(_: &mut Report, words: &[String]) -> Outcome {
    let [own, address] = words else {
        return Err("ADDRESS:PORT and an address are missing".to_owned());
    };
    let address: Ipv4Addr = address.parse().map_err(|_| "no address".to_owned())?;
    let text = |error: std::io::Error| error.to_string();
    let socket = UdpSocket::bind(own).map_err(text)?;
    let mut query = [0; 512];
    loop {
        let (count, from) = socket.recv_from(&mut query).map_err(text)?;
        if let Some(answer) = answer(&query[..count], address) {
            socket.send_to(&answer, from).map_err(text)?;
        }
    }
}
