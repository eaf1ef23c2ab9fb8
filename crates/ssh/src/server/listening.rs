//! Places where connections for the client are awaited.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use rand_core::CryptoRng;

use super::Server;
use super::notice::Notice;
use super::session::Session;
use super::traits::{Backend, ByteStream, Listener, SpawnError};
use crate::error::Fault;
use crate::forward::{ListenRequest, Place};

/// The places of one client, and the one that is being made.
pub(super) struct Listening<B: Backend> {
    asked: Option<Pin<Box<B::Listen>>>,
    places: Vec<(Place, B::Listener)>,
}

impl<B: Backend> Listening<B> {
    pub(super) fn new() -> Self {
        Self {
            asked: None,
            places: Vec::new(),
        }
    }

    /// Whether one is being made.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "a few for each connection, of which there is a bounded number"
    )]
    pub(super) fn ask(&mut self, backend: &B, request: ListenRequest) {
        self.asked = Some(Box::pin(backend.listen(request)));
    }

    pub(super) fn end(&mut self, place: &Place) {
        self.places.retain(|(other, _)| other != place);
    }

    /// What came of the one that was being made.
    fn poll_made(&mut self, cx: &mut Context<'_>) -> Poll<Result<B::Listener, SpawnError>> {
        let Some(asked) = &mut self.asked else {
            return Poll::Pending;
        };
        let made = asked.as_mut().poll(cx);
        if made.is_ready() {
            self.asked = None;
        }
        made
    }
}

impl<S: ByteStream, B: Backend, R: CryptoRng> Server<S, B, R> {
    /// Opens channels for connections that have come; whether anything was
    /// done.
    pub(super) fn take_arrivals(&mut self, cx: &mut Context<'_>) -> Result<usize, Fault> {
        let mut moved = 0;
        if let Poll::Ready(made) = self.listening.poll_made(cx) {
            moved += 1;
            if let Err(error) = &made {
                self.backend.note(&Notice::NotStarted { reason: error.0 });
            }
            let bound = made.as_ref().ok().map(Listener::bound);
            if let (Some(place), Ok(listener)) = (self.engine.awaited(bound)?, made) {
                self.listening.places.push((place, listener));
            }
        }
        let mut index = 0;
        while index < self.listening.places.len() && self.engine.may_open() {
            let (place, listener) = &mut self.listening.places[index];
            match listener.poll_accept(cx) {
                Poll::Pending => index += 1,
                Poll::Ready(Err(_)) => {
                    self.listening.places.swap_remove(index);
                }
                Poll::Ready(Ok((process, arrival))) => {
                    moved += 1;
                    // Without a channel it is closed again.
                    if let Some(id) = self.engine.arrived(place, &arrival)? {
                        let mut session = Session::new(id);
                        session.arrive(process);
                        self.sessions.push(session);
                    }
                }
            }
        }
        Ok(moved)
    }
}
