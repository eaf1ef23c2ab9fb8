//! User certificates (OpenSSH's PROTOCOL.certkeys).

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use ssh_key::HashAlg;
use ssh_key::public::KeyData;

use super::authorized::{Origin, matches_networks};
use super::{KeyOptions, KeyRefusal, is_known_type, strong_enough};

/// The end of a certificate's type, after its key's.
const SUFFIX: &str = "-cert-v01@openssh.com";
/// The most characters of an identity that are shown.
const SHOWN: usize = 64;

/// A certificate that a client has shown. Nothing of it is believed before
/// [`Certificate::permit`] has been asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate(Box<ssh_key::Certificate>);

/// A certificate's algorithm without what makes it one; `None` for that of a
/// plain key.
pub(crate) fn plain_algorithm(algorithm: &str) -> Option<String> {
    let plain = algorithm.strip_suffix(SUFFIX)?;
    Some(match plain.strip_prefix("sk-") {
        Some(_) => alloc::format!("{plain}@openssh.com"),
        None => plain.into(),
    })
}

impl Certificate {
    /// Reads one, whole.
    #[allow(
        clippy::disallowed_methods,
        reason = "a few for each connection, of which there is a bounded number"
    )]
    pub(crate) fn read(blob: &[u8]) -> Option<Self> {
        let read = ssh_key::Certificate::from_bytes(blob).ok()?;
        Some(Self(Box::new(read)))
    }

    /// The key that it is about.
    pub fn key(&self) -> &KeyData {
        self.0.public_key()
    }

    /// The authority's key.
    pub fn authority(&self) -> &KeyData {
        self.0.signature_key()
    }

    /// What its key may do as `user`, or as one of `principals` if the
    /// authority's line names some: `line` says what the authority's
    /// certificates may do at most.
    ///
    /// # Errors
    /// Why it may not be used.
    pub(crate) fn permit(
        &self,
        user: &str,
        principals: &[String],
        line: KeyOptions,
        origin: &Origin,
    ) -> Result<KeyOptions, KeyRefusal> {
        let certificate = &*self.0;
        if !certificate.cert_type().is_user() {
            return Err(KeyRefusal::Certificate("it is for a host"));
        }
        let authority = certificate.signature_key();
        if !is_known_type(authority) || !strong_enough(authority) {
            return Err(KeyRefusal::Certificate("its authority's key is too weak"));
        }
        let fingerprint = authority.fingerprint(HashAlg::Sha256);
        if certificate.valid_after() > origin.now || certificate.valid_before() <= origin.now {
            return Err(KeyRefusal::Certificate("it is not valid now"));
        }
        // The signature, once more the time, and that it is this authority's.
        if certificate.validate_at(origin.now, [&fingerprint]).is_err() {
            return Err(KeyRefusal::Certificate("its signature is not good"));
        }
        let named = certificate.valid_principals();
        let is_for = |name: &str| named.iter().any(|named| named == name);
        let is_meant = match principals {
            [] => is_for(user),
            wanted => wanted.iter().any(|wanted| is_for(wanted)),
        };
        if !is_meant {
            return Err(KeyRefusal::Certificate("it is not for this user"));
        }
        self.options(line, origin)
    }

    /// The line's options and its own together: what both allow.
    fn options(&self, mut line: KeyOptions, origin: &Origin) -> Result<KeyOptions, KeyRefusal> {
        for (name, value) in self.0.critical_options().iter() {
            match name.as_str() {
                "force-command" => match &line.command {
                    Some(command) if command != value.as_bytes() => {
                        return Err(KeyRefusal::Certificate("its command is not the line's"));
                    }
                    _ => line.command = Some(value.as_bytes().to_vec()),
                },
                "source-address" => {
                    if !matches_networks(value.as_bytes(), origin.address) {
                        return Err(KeyRefusal::OtherOrigin);
                    }
                }
                "verify-required" => line.verify_required = true,
                _ => {
                    return Err(KeyRefusal::Certificate("it has an unknown critical option"));
                }
            }
        }
        let has = |name: &str| self.0.extensions().contains_key(name);
        line.no_pty |= !has("permit-pty");
        line.no_port_forwarding |= !has("permit-port-forwarding");
        line.no_agent_forwarding |= !has("permit-agent-forwarding");
        line.no_x11_forwarding |= !has("permit-X11-forwarding");
        line.no_user_rc |= !has("permit-user-rc");
        line.no_touch_required &= has("no-touch-required");
        Ok(line)
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fine = |character: char| match character {
            '!'..='~' if character != '"' => character,
            _ => '?',
        };
        let identity: String = self.0.key_id().chars().take(SHOWN).map(fine).collect();
        write!(
            f,
            "certificate \"{identity}\" serial {} of {}",
            self.0.serial(),
            self.authority().fingerprint(HashAlg::Sha256)
        )
    }
}

/// The names of a `principals=` option.
pub(super) fn principals(list: &[u8]) -> Option<Vec<String>> {
    let text = core::str::from_utf8(list).ok()?;
    let names = text.split(',').map(|name| name.trim().to_string());
    let names: Vec<String> = names.collect();
    names.iter().all(|name| !name.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ssh_key::certificate::{Builder, CertType};
    use ssh_key::private::{Ed25519Keypair, KeypairData};

    fn made(kind: CertType, adjust: impl FnOnce(&mut Builder)) -> Certificate {
        let pair = Ed25519Keypair::from_seed(&[1; 32]);
        let authority = KeypairData::Ed25519(Ed25519Keypair::from_seed(&[2; 32]));
        let authority = ssh_key::PrivateKey::new(authority, "").unwrap();
        let key = KeyData::Ed25519(pair.public);
        let mut builder = Builder::new([0; 16], key, 1000, 2000).unwrap();
        builder.cert_type(kind).unwrap();
        builder.valid_principal("root").unwrap();
        adjust(&mut builder);
        let signed = builder.sign(&authority).unwrap();
        Certificate::read(&signed.to_bytes().unwrap()).unwrap()
    }

    fn permit(certificate: &Certificate, now: u64) -> Result<KeyOptions, KeyRefusal> {
        let origin = Origin {
            address: [192, 0, 2, 1].into(),
            now,
        };
        certificate.permit("root", &[], KeyOptions::default(), &origin)
    }

    #[test]
    fn hosts_and_other_times_are_not_meant() {
        let user = made(CertType::User, |_| {});
        assert!(permit(&user, 1000).is_ok_and(|options| options.no_pty));
        assert!(permit(&user, 999).is_err() && permit(&user, 2000).is_err());
        let host = made(CertType::Host, |_| {});
        let refused = permit(&host, 1500);
        assert_eq!(refused, Err(KeyRefusal::Certificate("it is for a host")));
    }

    #[test]
    fn tokens_need_no_touch_only_if_both_say_so() {
        let lax = KeyOptions {
            no_touch_required: true,
            ..KeyOptions::default()
        };
        let plain = made(CertType::User, |_| {});
        let untouched = made(CertType::User, |builder| {
            builder.extension("no-touch-required", "").unwrap();
            builder.critical_option("verify-required", "").unwrap();
        });
        let origin = Origin {
            address: [192, 0, 2, 1].into(),
            now: 1500,
        };
        for (certificate, line, lets) in [
            (&plain, &lax, false),
            (&untouched, &KeyOptions::default(), false),
            (&untouched, &lax, true),
        ] {
            let options = certificate
                .permit("root", &[], line.clone(), &origin)
                .unwrap();
            assert_eq!(options.no_touch_required, lets);
        }
        assert!(permit(&untouched, 1500).unwrap().verify_required);
    }

    #[test]
    fn names_of_algorithms() {
        for (name, plain) in [
            ("ssh-ed25519-cert-v01@openssh.com", Some("ssh-ed25519")),
            ("rsa-sha2-512-cert-v01@openssh.com", Some("rsa-sha2-512")),
            (
                "sk-ssh-ed25519-cert-v01@openssh.com",
                Some("sk-ssh-ed25519@openssh.com"),
            ),
            ("ssh-ed25519", None),
        ] {
            assert_eq!(plain_algorithm(name).as_deref(), plain, "{name}");
        }
    }
}
