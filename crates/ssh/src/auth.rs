//! Logging in (RFC 4252): public keys only.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ssh_key::public::KeyData;

use crate::error::{Code, Fault, copy};
use crate::kex::Hash;
use crate::keys::{self, Certificate, KeyOptions, Presence};
use crate::message;
use crate::wire::{Put, Reader};

/// The longest user name, in bytes.
const MAX_USER: usize = 256;

/// Proof that a client has logged in. Only this file can make one, and it does
/// so after a signature has been checked; channels cannot exist without it.
#[derive(Debug)]
pub(crate) struct Authenticated {
    user: String,
    /// The key as the log names it.
    key: String,
    options: KeyOptions,
}

impl Authenticated {
    /// A login that never was, to test what follows it.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn for_tests() -> Self {
        Self {
            user: "root".into(),
            key: "SHA256:none".into(),
            options: KeyOptions::default(),
        }
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// What the key may do.
    pub(crate) fn options(&self) -> &KeyOptions {
        &self.options
    }

    /// The same with other options.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn with_options(self, options: KeyOptions) -> Self {
        Self { options, ..self }
    }
}

/// A question for the owner of the server: may this key log in as this user?
#[derive(Clone, Debug)]
pub struct AuthRequest {
    /// The name the client gave. It is not known to exist.
    pub user: String,
    /// The key the client claims to hold.
    pub key: KeyData,
    /// Its certificate, if the client shows one. It is not known to be good.
    pub certificate: Option<Certificate>,
    /// A signature came with it: this is no question whether one would do.
    pub is_signed: bool,
}

impl AuthRequest {
    /// The key as the log names it.
    pub fn shown_key(&self) -> String {
        keys::shown(&self.key, self.certificate.as_ref())
    }
}

/// A key, or a certificate with its key, of exactly the algorithm's type.
fn read_key(algorithm: &str, blob: &[u8]) -> Option<(KeyData, Option<Certificate>)> {
    if keys::plain_algorithm(algorithm).is_some() {
        let certificate = Certificate::read(blob)?;
        return Some((certificate.key().clone(), Some(certificate)));
    }
    let key = ssh_key::PublicKey::from_bytes(blob).ok()?;
    Some((key.key_data().clone(), None))
}

/// Why a client may not log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For the log.
    pub reason: Cow<'static, str>,
    /// For the client's user to read.
    pub message: Option<String>,
}

impl From<&'static str> for Refusal {
    fn from(reason: &'static str) -> Self {
        Self {
            reason: reason.into(),
            message: None,
        }
    }
}

/// A key that waits for the owner's answer.
struct Candidate {
    request: AuthRequest,
    /// As the client names it.
    algorithm: String,
    /// What its signature has to be.
    signs_as: String,
    blob: Vec<u8>,
    /// `None` if the client asks whether signing is worth its while.
    proof: Option<Proof>,
}

/// A signature, and what it must be over.
struct Proof {
    signature: Vec<u8>,
    text: Vec<u8>,
}

impl Candidate {
    fn proved_by(&self, proof: &Proof) -> Option<Presence> {
        keys::verify(
            &self.request.key,
            &self.signs_as,
            &proof.signature,
            &proof.text,
        )
    }
}

/// What a message leads to.
pub(crate) enum Step {
    /// Send this and go on.
    Reply(Vec<u8>),
    /// Ask the owner, then call [`Auth::decide`].
    Ask(AuthRequest),
    /// Send this; the attempt has been refused without asking.
    Refuse(Vec<u8>, RefusedAttempt),
}

/// An attempt to log in that could not have succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedAttempt {
    /// The name the client gave.
    pub user: String,
    /// The method, as the client calls it: printable, at most 32 bytes.
    pub method: String,
    /// Why.
    pub reason: &'static str,
}

/// The state before the client has logged in.
pub(crate) struct Auth {
    max_tries: u32,
    /// Refusals so far.
    tries: u32,
    /// Keys that would have done, so far.
    accepted: u32,
    /// The client has asked for the service of authentication.
    begun: bool,
    candidate: Option<Candidate>,
}

impl Auth {
    pub(crate) fn new(max_tries: u32) -> Self {
        Self {
            max_tries,
            tries: 0,
            accepted: 0,
            begun: false,
            candidate: None,
        }
    }

    /// Whether the owner's answer is awaited; no message is taken meanwhile.
    pub(crate) fn asking(&self) -> bool {
        self.candidate.is_some()
    }

    /// Takes a message; `None` if it is not of this layer.
    pub(crate) fn message(
        &mut self,
        payload: &[u8],
        session: &Hash,
    ) -> Result<Option<Step>, Fault> {
        let mut reader = Reader::new(payload);
        match reader.u8()? {
            message::SERVICE_REQUEST => self.service(reader).map(Some),
            message::EXT_INFO => Ok(Some(Step::Reply(Vec::new()))),
            message::USERAUTH_REQUEST if self.begun => self.request(reader, session).map(Some),
            80.. => Err(Fault::protocol("not logged in")),
            _ => Ok(None),
        }
    }

    fn service(&mut self, mut reader: Reader<'_>) -> Result<Step, Fault> {
        let name = reader.string()?;
        reader.end()?;
        if name != b"ssh-userauth" {
            return Err(Fault::new(
                Code::ServiceNotAvailable,
                "service not available",
            ));
        }
        self.begun = true;
        let mut out = Vec::new();
        out.put_u8(message::SERVICE_ACCEPT);
        out.put_string(name);
        Ok(Step::Reply(out))
    }

    fn request(&mut self, mut reader: Reader<'_>, session: &Hash) -> Result<Step, Fault> {
        let user = reader.text()?;
        let service = reader.string()?;
        let method = reader.string()?;
        if service != b"ssh-connection" {
            return Err(Fault::new(
                Code::ServiceNotAvailable,
                "service not available",
            ));
        }
        if user.len() > MAX_USER {
            return Err(Fault::protocol("user name too long"));
        }
        match method {
            // A question for the methods there are; but it counts.
            b"none" => self.refuse().map(Step::Reply),
            b"publickey" => self.public_key(user, reader, session),
            _ => self.refuse_attempt(user, method, "not a method of this server"),
        }
    }

    fn refuse_attempt(
        &mut self,
        user: &str,
        method: &[u8],
        reason: &'static str,
    ) -> Result<Step, Fault> {
        let shown = method.iter().take(32).map(|byte| match byte {
            0x21..0x7f => char::from(*byte),
            _ => '?',
        });
        let attempt = RefusedAttempt {
            user: user.to_string(),
            method: shown.collect(),
            reason,
        };
        Ok(Step::Refuse(self.refuse()?, attempt))
    }

    fn public_key(
        &mut self,
        user: &str,
        mut reader: Reader<'_>,
        session: &Hash,
    ) -> Result<Step, Fault> {
        let signed = reader.bool()?;
        let algorithm = reader.text()?;
        let blob = reader.string()?;
        let signature = match signed {
            true => Some(reader.string()?),
            false => None,
        };
        reader.end()?;
        let Some((key, certificate)) = read_key(algorithm, blob) else {
            return self.refuse_attempt(user, b"publickey", "not a public key");
        };
        // A certificate's key signs as it does without one.
        let plain = keys::plain_algorithm(algorithm);
        let signs_as = plain.as_deref().unwrap_or(algorithm);
        if !keys::matches_algorithm(&key, signs_as) {
            return self.refuse_attempt(user, b"publickey", "key type or size not accepted");
        }
        let proof = match signature {
            Some(signature) => Some(Proof {
                signature: copy(signature)?,
                text: signed_text(session, user, algorithm, blob),
            }),
            None => None,
        };
        let request = AuthRequest {
            user: user.to_string(),
            key,
            certificate,
            is_signed: proof.is_some(),
        };
        self.candidate = Some(Candidate {
            request: request.clone(),
            algorithm: algorithm.to_string(),
            signs_as: signs_as.to_string(),
            blob: copy(blob)?,
            proof,
        });
        Ok(Step::Ask(request))
    }

    /// Takes the owner's answer: a reply, and the proof once it is complete.
    pub(crate) fn decide(
        &mut self,
        allowed: Option<KeyOptions>,
    ) -> Result<(Vec<u8>, Option<Authenticated>), Fault> {
        let Some(candidate) = self.candidate.take() else {
            return Ok((Vec::new(), None));
        };
        match (allowed, candidate.proof.as_ref()) {
            (Some(_), None) if self.accepted < self.max_tries => {
                self.accepted += 1;
                Ok((acceptable(&candidate), None))
            }
            (Some(options), Some(proof))
                if candidate
                    .proved_by(proof)
                    .is_some_and(|presence| presence.satisfies(&options)) =>
            {
                let key = candidate.request.shown_key();
                let user = candidate.request.user;
                let login = Authenticated { user, key, options };
                Ok((alloc::vec![message::USERAUTH_SUCCESS], Some(login)))
            }
            _ => self.refuse().map(|reply| (reply, None)),
        }
    }

    /// Counts a refusal.
    fn refuse(&mut self) -> Result<Vec<u8>, Fault> {
        self.tries += 1;
        match self.tries >= self.max_tries {
            true => Err(Fault::new(
                Code::NoMoreAuthMethods,
                "too many authentication failures",
            )),
            false => Ok(failure()),
        }
    }
}

/// SSH_MSG_USERAUTH_BANNER (RFC 4252, section 5.4).
pub(crate) fn banner(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_u8(message::USERAUTH_BANNER);
    out.put_string(text.as_bytes());
    out.put_string(b"");
    out
}

/// SSH_MSG_USERAUTH_FAILURE: what may go on, and that it was no partial success.
fn failure() -> Vec<u8> {
    let mut out = Vec::new();
    out.put_u8(message::USERAUTH_FAILURE);
    out.put_string(b"publickey");
    out.put_bool(false);
    out
}

fn acceptable(candidate: &Candidate) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_u8(message::USERAUTH_PK_OK);
    out.put_string(candidate.algorithm.as_bytes());
    out.put_string(&candidate.blob);
    out
}

/// What the client signs (RFC 4252, section 7).
fn signed_text(session: &Hash, user: &str, algorithm: &str, blob: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_string(session);
    out.put_u8(message::USERAUTH_REQUEST);
    out.put_string(user.as_bytes());
    out.put_string(b"ssh-connection");
    out.put_string(b"publickey");
    out.put_bool(true);
    out.put_string(algorithm.as_bytes());
    out.put_string(blob);
    out
}
