//! The server: one future for each connection, without a runtime of its own.

mod listening;
mod notice;
mod session;
mod traits;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll};

use rand_core::CryptoRng;

use crate::admission::Stage;
use crate::auth::{AuthRequest, Refusal};
use crate::channel::ChannelId;
use crate::config::Config;
use crate::engine::{Engine, Event, Output};
use crate::error::{Code, Ended, Fault};
use crate::keys::KeyOptions;
use listening::Listening;
pub use notice::Notice;
use session::Session;
pub use traits::{Backend, ByteStream, IoError, Listener, ProcessIo, SpawnError};

/// Bytes moved before other tasks of the executor have their turn.
const BUDGET: usize = 256 * 1024;

/// Serves one client until the connection ends; says why it ended.
///
/// The future does a bounded amount of work in each poll and returns `Pending`
/// only once something will wake it. Dropping it hangs up all programs.
pub async fn serve<S, B, R>(stream: S, backend: B, config: Arc<Config>, rng: R) -> Ended
where
    S: ByteStream,
    B: Backend,
    R: CryptoRng,
{
    let mut server = match Server::new(stream, backend, config, rng) {
        Ok(server) => server,
        Err(fault) => return fault.into(),
    };
    let ended = poll_fn(|cx| server.poll(cx)).await;
    server.sessions.clear();
    server.note_end(&ended);
    server.send_disconnect(&ended).await;
    ended
}

/// A question about a key that the owner has not answered.
struct Asked<B: Backend> {
    request: AuthRequest,
    answer: Pin<Box<B::Authorize>>,
    /// What the owner has said, if it is not passed on yet.
    refusal: Option<Refusal>,
    /// When a refusal may be passed on.
    earliest: Pin<Box<B::Timer>>,
}

impl<B: Backend> Asked<B> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<KeyOptions, Refusal>> {
        if self.refusal.is_none() {
            match self.answer.as_mut().poll(cx) {
                Poll::Ready(Err(refusal)) => self.refusal = Some(refusal),
                other => return other,
            }
        }
        match (self.earliest.as_mut().poll(cx), self.refusal.take()) {
            (Poll::Ready(()), Some(refusal)) => Poll::Ready(Err(refusal)),
            (_, refusal) => {
                self.refusal = refusal;
                Poll::Pending
            }
        }
    }
}

struct Server<S, B: Backend, R> {
    stream: S,
    backend: B,
    config: Arc<Config>,
    engine: Engine<R>,
    sessions: Vec<Session<B>>,
    /// The session that goes first in the next round.
    first: usize,
    authorize: Option<Asked<B>>,
    listening: Listening<B>,
    /// How far the owner has been told that the client has come.
    stage: Stage,
    /// Runs until the client has logged in.
    grace: Option<Pin<Box<B::Timer>>>,
}

impl<S: ByteStream, B: Backend, R: CryptoRng> Server<S, B, R> {
    #[allow(
        clippy::disallowed_methods,
        reason = "a few for each connection, of which there is a bounded number"
    )]
    fn new(stream: S, backend: B, config: Arc<Config>, rng: R) -> Result<Self, Fault> {
        let grace = Some(Box::pin(backend.timer(config.login_grace_ms)));
        Ok(Self {
            engine: Engine::new(config.clone(), rng)?,
            stream,
            backend,
            config,
            sessions: Vec::new(),
            first: 0,
            authorize: None,
            listening: Listening::new(),
            stage: Stage::Silent,
            grace,
        })
    }

    /// Goes round until nothing moves. Whatever did not move in the last round
    /// has kept the waker, or waits for something that has.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let mut budget = BUDGET;
        loop {
            match self.round(cx) {
                Err(ended) => return Poll::Ready(ended),
                Ok(0) => return Poll::Pending,
                Ok(moved) => budget = budget.saturating_sub(moved),
            }
            if budget == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// One turn for everything: the bytes moved, or 1 for other progress.
    fn round(&mut self, cx: &mut Context<'_>) -> Result<usize, Ended> {
        let mut moved = self.watch_login(cx)?;
        moved += self.take_input(cx)?;
        moved += self.take_arrivals(cx)?;
        moved += self.serve_sessions(cx)?;
        moved += self.write(cx)?;
        Ok(moved)
    }

    /// The grace time, and the owner's answer about a key.
    fn watch_login(&mut self, cx: &mut Context<'_>) -> Result<usize, Ended> {
        if let Some(grace) = &mut self.grace
            && grace.as_mut().poll(cx).is_ready()
        {
            return Err(Fault::new(Code::NoMoreAuthMethods, "login took too long").into());
        }
        let Some(asked) = &mut self.authorize else {
            return Ok(0);
        };
        let Poll::Ready(answer) = asked.poll(cx) else {
            return Ok(0);
        };
        let request = asked.request.clone();
        self.authorize = None;
        self.answer(&request, answer)?;
        Ok(1)
    }

    /// Passes the owner's answer on, and tells him what came of it.
    fn answer(
        &mut self,
        request: &AuthRequest,
        answer: Result<KeyOptions, Refusal>,
    ) -> Result<(), Fault> {
        let refusal = answer.as_ref().err().map(|refusal| refusal.reason.clone());
        let outcome = self.engine.authorize(answer);
        let fingerprint = request.shown_key();
        let is_in = self.engine.login().is_some();
        let reason = match refusal {
            Some(reason) => Some(reason),
            None if request.is_signed && !is_in => Some("bad signature".into()),
            None => None,
        };
        if let Some(reason) = &reason {
            self.backend.note(&Notice::Refused {
                user: &request.user,
                method: "publickey",
                fingerprint: Some(&fingerprint),
                reason,
            });
        }
        if is_in && !self.backend.open_session() {
            return Err(Fault::new(Code::ByApplication, "too many sessions"));
        }
        if is_in {
            self.grace = None;
            self.backend.note(&Notice::LoggedIn {
                user: &request.user,
                fingerprint: &fingerprint,
            });
        }
        outcome
    }

    fn note_end(&self, ended: &Ended) {
        let login = self.engine.login();
        let login = login
            .as_ref()
            .map(|(user, fingerprint)| (*user, fingerprint.as_str()));
        self.backend.note(&Notice::Ended { login, ended });
    }

    /// Acts upon what has been received, then receives more.
    fn take_input(&mut self, cx: &mut Context<'_>) -> Result<usize, Ended> {
        let mut moved = 0;
        while !self.engine.is_congested() && self.authorize.is_none() {
            match self.engine.poll()? {
                Some(event) => moved += self.act(cx, event)?,
                None => break,
            }
        }
        let stage = self.engine.stage();
        if stage > self.stage {
            self.stage = stage;
            self.backend.note(&Notice::Reached(stage));
        }
        if self.engine.is_congested() || self.authorize.is_some() || self.listening.is_asked() {
            return Ok(moved);
        }
        let space = self.engine.space()?;
        match self.stream.poll_read(cx, space) {
            Poll::Pending => Ok(moved),
            Poll::Ready(Ok(0)) => Err(Ended::StreamClosed),
            Poll::Ready(Err(IoError)) => Err(Ended::StreamFailed),
            Poll::Ready(Ok(count)) => {
                self.engine.received(count);
                Ok(moved + count)
            }
        }
    }

    /// Acts upon an event; how much that has moved.
    #[allow(
        clippy::disallowed_methods,
        reason = "a few for each connection, of which there is a bounded number"
    )]
    fn act(&mut self, cx: &mut Context<'_>, event: Event) -> Result<usize, Fault> {
        match event {
            Event::Authorize(request) => {
                let answer = Box::pin(self.backend.authorize(&request));
                self.authorize = Some(Asked {
                    request,
                    answer,
                    refusal: None,
                    earliest: Box::pin(self.backend.timer(self.config.refusal_ms)),
                });
            }
            Event::Refused(attempt) => self.backend.note(&Notice::Refused {
                user: &attempt.user,
                method: &attempt.method,
                fingerprint: None,
                reason: attempt.reason,
            }),
            Event::Start(id, request) => {
                let index = self.session(id);
                self.sessions[index].start(&self.backend, request);
            }
            Event::Connect(id, request) => {
                let index = self.session(id);
                self.sessions[index].connect(&self.backend, request);
            }
            Event::Listen(request) => self.listening.ask(&self.backend, request),
            Event::Unlisten(place) => self.listening.end(&place),
            Event::Opened(id) => {
                let index = self.session(id);
                self.sessions[index].open();
            }
            Event::Input(id, range) => {
                let index = self.session(id);
                let bytes = self.engine.input(range);
                let count = bytes.len();
                let taken = self.sessions[index].input(cx, bytes)?;
                self.engine.consumed(id, taken)?;
                return Ok(count.max(1));
            }
            Event::InputEnd(id) => {
                let index = self.session(id);
                self.sessions[index].end_input();
            }
            Event::Resize(id, size) => {
                let index = self.session(id);
                self.sessions[index].resize(size);
            }
            Event::Signal(id, name) => {
                let index = self.session(id);
                self.sessions[index].signal(&name);
            }
            Event::OutputUnwanted(id) => {
                let index = self.session(id);
                self.sessions[index].drop_output(Output::Stdout);
            }
            Event::Abandoned(id) => {
                let index = self.session(id);
                self.sessions[index].abandon();
            }
            Event::Closed(id) => self.sessions.retain(|session| session.id != id),
        }
        Ok(1)
    }

    /// Where a channel's session is, made if it is new.
    fn session(&mut self, id: ChannelId) -> usize {
        let known = self.sessions.iter().position(|session| session.id == id);
        known.unwrap_or_else(|| {
            self.sessions.push(Session::new(id));
            self.sessions.len() - 1
        })
    }

    /// A turn for each session, beginning with another one each time.
    fn serve_sessions(&mut self, cx: &mut Context<'_>) -> Result<usize, Fault> {
        let count = self.sessions.len();
        let mut moved = 0;
        let mut finished = false;
        for offset in 0..count {
            let session = &mut self.sessions[(self.first + offset) % count];
            let turn = session.turn(cx, &self.backend, &mut self.engine)?;
            moved += turn.moved;
            if turn.finished {
                session.retire();
                (moved, finished) = (moved + 1, true);
            }
        }
        if finished {
            self.sessions.retain(|session| !session.is_retired());
        }
        self.first = self.first.wrapping_add(1) % self.sessions.len().max(1);
        Ok(moved)
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<usize, Ended> {
        let mut moved = 0;
        while !self.engine.pending().is_empty() {
            match self.stream.poll_write(cx, self.engine.pending()) {
                Poll::Pending => break,
                Poll::Ready(Ok(count @ 1..)) => {
                    self.engine.sent(count);
                    moved += count;
                }
                Poll::Ready(_) => return Err(Ended::StreamFailed),
            }
        }
        Ok(moved)
    }

    /// Sends what waits, and the reason, as far as the client takes it in time.
    #[allow(
        clippy::disallowed_methods,
        reason = "a few for each connection, of which there is a bounded number"
    )]
    async fn send_disconnect(&mut self, ended: &Ended) {
        if let Ended::Fault(fault) = ended {
            self.engine.disconnect(*fault);
        }
        let mut timer = Box::pin(self.backend.timer(self.config.farewell_ms));
        poll_fn(|cx| {
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let stream_lives = matches!(ended, Ended::Fault(_) | Ended::ByPeer { .. });
            if stream_lives && self.write(cx).is_ok() && !self.engine.pending().is_empty() {
                return Poll::Pending;
            }
            self.stream.poll_close(cx).map(|_| ())
        })
        .await;
    }
}
