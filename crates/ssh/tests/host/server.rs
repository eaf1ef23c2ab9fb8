//! A listener that serves each client on a thread of its own.

use std::fs::File;
use std::future::{Ready, ready};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use paddock_ssh::{
    AuthRequest, AuthorizedKeys, Backend, ByteStream, Config, ConnectRequest, Ended, HostKey,
    IoError, KeyOptions, ListenRequest, Notice, Origin, Refusal, SpawnError, SpawnRequest, serve,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::listener::HostListener;
use super::process::HostProcess;
use super::reactor;

/// Real randomness, as the system gives it.
pub fn random() -> ChaCha20Rng {
    let mut seed = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut seed))
        .expect("urandom");
    ChaCha20Rng::from_seed(seed)
}

struct Tcp {
    stream: TcpStream,
    /// The most bytes in one read, to try odd divisions.
    most: usize,
}

impl ByteStream for Tcp {
    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, IoError>> {
        let most = self.most.min(buffer.len());
        result(
            self.stream.read(&mut buffer[..most]),
            &self.stream,
            libc::POLLIN,
        )
    }

    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, IoError>> {
        result(self.stream.write(bytes), &self.stream, libc::POLLOUT)
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Result<(), IoError>> {
        let _ = self.stream.shutdown(Shutdown::Both);
        Poll::Ready(Ok(()))
    }
}

fn result(
    result: std::io::Result<usize>,
    stream: &TcpStream,
    events: i16,
) -> Poll<Result<usize, IoError>> {
    match result {
        Ok(count) => Poll::Ready(Ok(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            reactor::wait_for(stream.as_raw_fd(), events);
            Poll::Pending
        }
        Err(_) => Poll::Ready(Err(IoError)),
    }
}

#[derive(Clone)]
struct Host {
    keys: Arc<String>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Backend for Host {
    type Process = HostProcess;
    type Authorize = Ready<Result<KeyOptions, Refusal>>;
    type Spawn = Ready<Result<HostProcess, SpawnError>>;
    type Listener = HostListener;
    type Listen = Ready<Result<HostListener, SpawnError>>;
    type Timer = reactor::Sleep;

    fn authorize(&self, request: &AuthRequest) -> Self::Authorize {
        let origin = Origin {
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            now: std::time::UNIX_EPOCH
                .elapsed()
                .map_or(0, |since| since.as_secs()),
        };
        ready(match request.user.as_str() {
            "root" => AuthorizedKeys::new(self.keys.as_bytes())
                .search(request, &origin, |bad| panic!("{bad}"))
                .map_err(|refusal| Refusal {
                    reason: refusal.to_string().into(),
                    message: None,
                }),
            "late" => Err(Refusal {
                reason: "maintenance".into(),
                message: Some("back at ten\r\n".into()),
            }),
            _ => Err("unknown user".into()),
        })
    }

    fn connect(&self, request: ConnectRequest) -> Self::Spawn {
        ready(HostProcess::connect(&request).map_err(|_| SpawnError("no connection")))
    }

    fn listen(&self, request: ListenRequest) -> Self::Listen {
        ready(HostListener::new(&request).map_err(|_| SpawnError("cannot listen")))
    }

    fn spawn(&self, request: SpawnRequest) -> Self::Spawn {
        ready(HostProcess::spawn(&request).map_err(|_| SpawnError("no shell")))
    }

    fn timer(&self, milliseconds: u64) -> reactor::Sleep {
        reactor::sleep(milliseconds)
    }

    fn note(&self, notice: &Notice<'_>) {
        self.log.lock().unwrap().push(notice.to_string());
    }
}

/// A server that runs until the test's process ends.
pub struct Server {
    pub address: SocketAddr,
    pub host_key: String,
    pub log: Arc<Mutex<Vec<String>>>,
    pub endings: Arc<Mutex<Vec<Ended>>>,
    /// How often the connections have been polled, to notice one that spins.
    pub polls: Arc<AtomicUsize>,
}

impl Server {
    /// Listens on a free port of the loopback. `adjust` changes the settings.
    pub fn start(authorized_keys: &str, most: usize, adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(HostKey::generate(&mut random()));
        adjust(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let server = Self {
            address: listener.local_addr().expect("address"),
            host_key: config.host_key.public_line(),
            log: Arc::default(),
            endings: Arc::default(),
            polls: Arc::default(),
        };
        let host = Host {
            keys: Arc::new(authorized_keys.to_string()),
            log: server.log.clone(),
        };
        let endings = server.endings.clone();
        let polls = server.polls.clone();
        let config = Arc::new(config);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (host, config) = (host.clone(), config.clone());
                let (endings, polls) = (endings.clone(), polls.clone());
                std::thread::spawn(move || {
                    stream.set_nonblocking(true).expect("non-blocking");
                    stream.set_nodelay(true).expect("no delay");
                    let ended = reactor::block_on(
                        serve(Tcp { stream, most }, host, config, random()),
                        &polls,
                    );
                    endings.lock().unwrap().push(ended);
                });
            }
        });
        server
    }
}
