//! Messages as clients send them, and how they are changed.

use alloc::vec::Vec;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

use crate::keys::HostKey;
use crate::message::*;
use crate::wire::Put;

/// A message with fields.
fn message(kind: u8, fields: &[Field<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_u8(kind);
    for field in fields {
        match field {
            Field::Text(text) => out.put_string(text),
            Field::Number(number) => out.put_u32(*number),
            Field::Flag(flag) => out.put_bool(*flag),
        }
    }
    out
}

enum Field<'a> {
    Text(&'a [u8]),
    Number(u32),
    Flag(bool),
}
use Field::{Flag, Number, Text};

fn login_messages() -> Vec<Vec<u8>> {
    let key = HostKey::from_seed(&[9; 32]);
    let user = || [Text(b"root"), Text(b"ssh-connection")];
    let mut all = Vec::from([
        message(SERVICE_REQUEST, &[Text(b"ssh-userauth")]),
        message(EXT_INFO, &[Number(1), Text(b"ext"), Text(b"1")]),
    ]);
    for method in [&b"none"[..], b"password", b"publickey", b"hostbased"] {
        let [name, service] = user();
        all.push(message(USERAUTH_REQUEST, &[name, service, Text(method)]));
    }
    for (algorithm, signed) in [
        (&b"ssh-ed25519"[..], false),
        (b"ssh-ed25519", true),
        (b"ssh-ed25519-cert-v01@openssh.com", true),
        (b"sk-ssh-ed25519@openssh.com", true),
        (b"rsa-sha2-512", false),
    ] {
        let [name, service] = user();
        let mut fields = Vec::from([
            name,
            service,
            Text(b"publickey"),
            Flag(signed),
            Text(algorithm),
            Text(key.public_blob()),
        ]);
        let signature = key.sign(b"something else");
        if signed {
            fields.push(Text(&signature));
        }
        all.push(message(USERAUTH_REQUEST, &fields));
    }
    all
}

fn opens() -> Vec<Vec<u8>> {
    let open = |kind: &'static [u8], more: &[Field<'_>]| {
        let mut out = message(
            CHANNEL_OPEN,
            &[Text(kind), Number(5), Number(1 << 20), Number(32768)],
        );
        out.extend_from_slice(&message(0, more)[1..]);
        out
    };
    Vec::from([
        open(b"session", &[]),
        open(
            b"direct-tcpip",
            &[Text(b"localhost"), Number(80), Text(b"::1"), Number(1)],
        ),
        open(
            b"direct-streamlocal@openssh.com",
            &[Text(b"/run/x"), Text(b""), Number(0)],
        ),
        open(b"x11", &[]),
    ])
}

fn requests(id: u32) -> Vec<Vec<u8>> {
    let request = |name: &'static [u8], more: &[Field<'_>]| {
        let mut out = message(CHANNEL_REQUEST, &[Number(id), Text(name), Flag(true)]);
        out.extend_from_slice(&message(0, more)[1..]);
        out
    };
    let size = || [Number(80), Number(24), Number(0), Number(0)];
    let [a, b, c, d] = size();
    let pty = [Text(b"xterm"), a, b, c, d, Text(&[53, 0, 0, 0, 1, 0])];
    Vec::from([
        request(b"pty-req", &pty),
        request(b"env", &[Text(b"LANG"), Text(b"C")]),
        request(b"auth-agent-req@openssh.com", &[]),
        request(b"exec", &[Text(b"true")]),
        request(b"shell", &[]),
        request(b"subsystem", &[Text(b"sftp")]),
        request(b"window-change", &size()),
        request(b"signal", &[Text(b"INT")]),
        request(b"eow@openssh.com", &[]),
        request(b"break", &[Number(0)]),
        message(CHANNEL_DATA, &[Number(id), Text(&[b'x'; 700])]),
        message(
            CHANNEL_EXTENDED_DATA,
            &[Number(id), Number(1), Text(b"err")],
        ),
        message(CHANNEL_WINDOW_ADJUST, &[Number(id), Number(1 << 16)]),
        message(
            CHANNEL_OPEN_CONFIRMATION,
            &[Number(id), Number(9), Number(1 << 20), Number(32768)],
        ),
        message(
            CHANNEL_OPEN_FAILURE,
            &[Number(id), Number(1), Text(b"no"), Text(b"")],
        ),
        message(CHANNEL_SUCCESS, &[Number(id)]),
        message(CHANNEL_EOF, &[Number(id)]),
        message(CHANNEL_CLOSE, &[Number(id)]),
    ])
}

fn globals() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for name in [&b"tcpip-forward"[..], b"cancel-tcpip-forward"] {
        for port in [0, 8080, 4000] {
            let fields = [Text(name), Flag(true), Text(b"localhost"), Number(port)];
            all.push(message(GLOBAL_REQUEST, &fields));
        }
    }
    for name in [
        &b"streamlocal-forward@openssh.com"[..],
        b"cancel-streamlocal-forward@openssh.com",
    ] {
        all.push(message(
            GLOBAL_REQUEST,
            &[Text(name), Flag(true), Text(b"/run/y")],
        ));
    }
    for name in [
        &b"keepalive@openssh.com"[..],
        b"no-more-sessions@openssh.com",
    ] {
        all.push(message(GLOBAL_REQUEST, &[Text(name), Flag(true)]));
    }
    for _ in 0..4 {
        all.push(message(REQUEST_SUCCESS, &[]));
        all.push(message(PING, &[Text(b"ping")]));
        all.push(message(2, &[Text(b"ignored")]));
    }
    all.push(message(1, &[Number(11), Text(b"bye"), Text(b"")]));
    let mut offer = crate::negotiate::offer([5; 16]);
    all.push(offer.clone());
    offer.truncate(offer.len() / 2);
    all.push(offer);
    all.push(message(KEX_ECDH_INIT, &[Text(&[9; 32])]));
    all.push(message(NEWKEYS, &[]));
    all
}

fn pick<'a, T>(rng: &mut ChaCha20Rng, all: &'a [T]) -> &'a T {
    &all[rng.next_u32() as usize % all.len()]
}

/// One in so many.
fn one_in(rng: &mut ChaCha20Rng, many: u32) -> bool {
    rng.next_u32().is_multiple_of(many)
}

/// What a client says first.
pub(super) const VERSION: &[u8] = b"SSH-2.0-fuzz\r\n";

/// Calls `each` with the messages of a dialogue, of which some are changed.
pub(super) fn messages(
    rng: &mut ChaCha20Rng,
    logged_in: bool,
    mut each: impl FnMut(&mut ChaCha20Rng, &[u8]),
) {
    let count = 1 + rng.next_u32() % 24;
    let mut channels = 0;
    for number in 0..count {
        let mut next = match logged_in {
            false if number == 0 => message(SERVICE_REQUEST, &[Text(b"ssh-userauth")]),
            false if one_in(rng, 8) => pick(rng, &globals()).clone(),
            false => pick(rng, &login_messages()).clone(),
            true if channels == 0 || one_in(rng, 5) => {
                let all = opens();
                let is_session = channels == 0 || !one_in(rng, 3);
                channels += u32::from(is_session);
                match is_session {
                    true => all[0].clone(),
                    false => pick(rng, &all).clone(),
                }
            }
            true if one_in(rng, 6) => pick(rng, &globals()).clone(),
            true => {
                // Mostly one that is there.
                let id = rng.next_u32() % (channels + u32::from(one_in(rng, 8)));
                let all = requests(id);
                // The last ones end the channel.
                let usual = all.len() - if one_in(rng, 5) { 0 } else { 5 };
                pick(rng, &all[..usual]).clone()
            }
        };
        if one_in(rng, 12) {
            change(rng, &mut next);
        }
        each(rng, &next);
    }
}

/// A dialogue's bytes: packets without encryption, after a version line if
/// there is no exchange before it.
pub(super) fn dialogue(rng: &mut ChaCha20Rng, logged_in: bool, fresh: bool) -> Vec<u8> {
    let mut out = Vec::new();
    if fresh {
        out.extend_from_slice(VERSION);
    }
    messages(rng, logged_in, |rng, message| {
        packet_or_not(rng, message, &mut out);
    });
    if one_in(rng, 16) {
        change(rng, &mut out);
    }
    out
}

/// Numbers at which things change.
const NUMBERS: [u32; 10] = [
    0,
    1,
    0x7f,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    35_000,
    0x7fff_ffff,
    0xffff_ffff,
];

fn change(rng: &mut ChaCha20Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.next_u32() as usize % bytes.len();
    match rng.next_u32() % 6 {
        0 => bytes[at] ^= 1 << (rng.next_u32() % 8),
        1 => bytes[at] = rng.next_u32() as u8,
        2 => bytes.truncate(at),
        3 => {
            let number = pick(rng, &NUMBERS).to_be_bytes();
            for (place, byte) in bytes[at..].iter_mut().zip(number) {
                *place = byte;
            }
        }
        4 => {
            let end = (at + 8).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        _ => {
            let end = (at + 1 + rng.next_u32() as usize % 8).min(bytes.len());
            bytes.drain(at..end);
        }
    }
}

/// Adds a packet; one in many with another length or padding than it should.
fn packet_or_not(rng: &mut ChaCha20Rng, payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    packet(payload, out);
    match rng.next_u32() % 256 {
        0 => {
            let length = pick(rng, &NUMBERS).to_be_bytes();
            out[start..start + 4].copy_from_slice(&length);
        }
        1 => out[start + 4] = rng.next_u32() as u8,
        _ => {}
    }
}

/// Adds a packet without encryption (RFC 4253, section 6).
pub(super) fn packet(payload: &[u8], out: &mut Vec<u8>) {
    let padding = 4 + (8 - (payload.len() + 9) % 8) % 8;
    out.put_u32((payload.len() + 1 + padding) as u32);
    out.put_u8(padding as u8);
    out.put_bytes(payload);
    out.resize(out.len() + padding, 0);
}
