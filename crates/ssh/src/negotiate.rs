//! SSH_MSG_KEXINIT (RFC 4253, section 7.1): what is offered and what is agreed.

use alloc::vec::Vec;

use crate::cipher::{Aes, Hash, MacKind, Suite};
use crate::error::{Code, Fault};
use crate::kex::Method;
use crate::message;
use crate::wire::{Put, Reader};

/// The name by which a client asks for SSH_MSG_EXT_INFO (RFC 8308).
const EXT_INFO_CLIENT: &str = "ext-info-c";
/// The markers of strict key exchange (OpenSSH's PROTOCOL, section 1.10).
const STRICT_CLIENT: &str = "kex-strict-c-v00@openssh.com";

const KEX: &str = "mlkem768x25519-sha256,curve25519-sha256,curve25519-sha256@libssh.org,\
                   ecdh-sha2-nistp256,kex-strict-s-v00@openssh.com";
const HOST_KEY: &str = "ssh-ed25519";
const CIPHERS: &str = "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,\
                       aes128-gcm@openssh.com,aes256-ctr,aes128-ctr";
/// Those without `etm` are for clients that have nothing better.
const MACS: &str = "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,\
                    hmac-sha2-256,hmac-sha2-512";
const COMPRESSION: &str = "none";

/// What both sides will use from the next SSH_MSG_NEWKEYS on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreement {
    pub(crate) method: Method,
    pub(crate) inbound: Suite,
    pub(crate) outbound: Suite,
    /// The client has sent a key exchange message for another method than the
    /// one agreed; it is to be skipped.
    pub(crate) skip_guess: bool,
    /// The client wants strict key exchange. Means something the first time only.
    pub(crate) strict: bool,
    /// The client reads SSH_MSG_EXT_INFO.
    pub(crate) ext_info: bool,
}

/// Writes this side's offer.
pub(crate) fn offer(cookie: [u8; 16]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_u8(message::KEXINIT);
    out.put_bytes(&cookie);
    let lists = [
        KEX,
        HOST_KEY,
        CIPHERS,
        CIPHERS,
        MACS,
        MACS,
        COMPRESSION,
        COMPRESSION,
        "",
        "",
    ];
    for list in lists {
        out.put_string(list.as_bytes());
    }
    out.put_bool(false);
    out.put_u32(0);
    out
}

/// Reads the client's offer and settles everything by its preference.
pub(crate) fn agree(payload: &[u8]) -> Result<Agreement, Fault> {
    let mut reader = Reader::new(payload);
    reader.u8()?;
    reader.array::<16>()?;
    let kex = reader.names()?;
    let host_key = reader.names()?;
    let cipher_in = reader.names()?;
    let cipher_out = reader.names()?;
    let mac_in = reader.names()?;
    let mac_out = reader.names()?;
    let compression = [reader.names()?, reader.names()?];
    let _languages = [reader.names()?, reader.names()?];
    let guessed = reader.bool()?;
    reader.u32()?;
    reader.end()?;
    let method = choose(kex, Method::named).ok_or(no_common("no common key exchange method"))?;
    if !has(host_key, HOST_KEY) {
        return Err(no_common("no common host key algorithm"));
    }
    if !compression.iter().all(|list| has(list, COMPRESSION)) {
        return Err(no_common("no common compression"));
    }
    Ok(Agreement {
        method,
        inbound: suite(cipher_in, mac_in)?,
        outbound: suite(cipher_out, mac_out)?,
        skip_guess: guessed && (first(kex) != first(KEX) || first(host_key) != HOST_KEY),
        strict: has(kex, STRICT_CLIENT),
        ext_info: has(kex, EXT_INFO_CLIENT),
    })
}

const fn no_common(text: &'static str) -> Fault {
    Fault::new(Code::KeyExchangeFailed, text)
}

fn first(list: &str) -> &str {
    list.split(',').next().unwrap_or_default()
}

fn has(list: &str, name: &str) -> bool {
    list.split(',').any(|other| other == name)
}

/// The first of the client's names that is known here.
fn choose<T>(list: &str, known: impl Fn(&str) -> Option<T>) -> Option<T> {
    list.split(',').find_map(known)
}

fn suite(ciphers: &str, macs: &str) -> Result<Suite, Fault> {
    let aes = match choose(ciphers, cipher).ok_or(no_common("no common cipher"))? {
        Named::Whole(suite) => return Ok(suite),
        Named::NeedsMac(aes) => aes,
    };
    let mac = choose(macs, mac).ok_or(no_common("no common MAC"))?;
    Ok(Suite::Ctr(aes, mac))
}

/// A cipher's name stands for all, or needs a MAC beside it.
enum Named {
    Whole(Suite),
    NeedsMac(Aes),
}

fn cipher(name: &str) -> Option<Named> {
    match name {
        "chacha20-poly1305@openssh.com" => Some(Named::Whole(Suite::ChaCha20Poly1305)),
        "aes256-gcm@openssh.com" => Some(Named::Whole(Suite::Gcm(Aes::Bits256))),
        "aes128-gcm@openssh.com" => Some(Named::Whole(Suite::Gcm(Aes::Bits128))),
        "aes256-ctr" => Some(Named::NeedsMac(Aes::Bits256)),
        "aes128-ctr" => Some(Named::NeedsMac(Aes::Bits128)),
        _ => None,
    }
}

fn mac(name: &str) -> Option<MacKind> {
    let (hash, etm) = match name {
        "hmac-sha2-256-etm@openssh.com" => (Hash::Sha256, true),
        "hmac-sha2-512-etm@openssh.com" => (Hash::Sha512, true),
        "hmac-sha2-256" => (Hash::Sha256, false),
        "hmac-sha2-512" => (Hash::Sha512, false),
        _ => return None,
    };
    Some(MacKind { hash, etm })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_offer(lists: [&str; 8], guessed: bool) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u8(message::KEXINIT);
        out.put_bytes(&[7; 16]);
        for list in lists.iter().chain(&["", ""]) {
            out.put_string(list.as_bytes());
        }
        out.put_bool(guessed);
        out.put_u32(0);
        out
    }

    const CHACHA: &str = "chacha20-poly1305@openssh.com";

    #[test]
    fn our_offer_agrees_with_itself() {
        let agreed = agree(&offer([0; 16])).unwrap();
        assert_eq!(agreed.method, Method::MlKem768X25519);
        assert_eq!(agreed.inbound, Suite::ChaCha20Poly1305);
        assert!(!agreed.strict && !agreed.skip_guess);
    }

    #[test]
    fn the_client_s_order_decides() {
        let lists = [
            "sntrup761x25519-sha512@openssh.com,curve25519-sha256,mlkem768x25519-sha256,ext-info-c",
            "rsa-sha2-512,ssh-ed25519",
            "aes192-ctr,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com",
            "aes256-ctr",
            "hmac-sha1",
            "hmac-sha1,hmac-sha2-512,hmac-sha2-256-etm@openssh.com",
            "zlib,none",
            "none",
        ];
        let agreed = agree(&client_offer(lists, true)).unwrap();
        assert_eq!(agreed.method, Method::Curve25519);
        assert_eq!(agreed.inbound, Suite::Gcm(Aes::Bits256));
        let mac = MacKind {
            hash: Hash::Sha512,
            etm: false,
        };
        assert_eq!(agreed.outbound, Suite::Ctr(Aes::Bits256, mac));
        assert!(agreed.skip_guess && agreed.ext_info);
    }

    #[test]
    fn a_cipher_without_integrity_is_refused() {
        let mut lists = [
            "curve25519-sha256",
            "ssh-ed25519",
            "aes256-ctr",
            CHACHA,
            "",
            "",
            "none",
            "none",
        ];
        lists[4] = "hmac-md5";
        assert_eq!(
            agree(&client_offer(lists, false)),
            Err(no_common("no common MAC"))
        );
    }
}
