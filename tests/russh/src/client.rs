//! A connection, and what its commands give back.

use anyhow::{Result, ensure};
use russh::client::{self, ChannelOpenHandle, Handle, Msg, Session};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use russh::{Channel, ChannelMsg, Disconnect, Limits, Sig};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// New keys after so many bytes.
const REKEY: usize = 8 << 20;

/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(120);

/// Connections that come from the machine have what they say repeated.
pub struct Echo;

async fn echo(channel: Channel<Msg>) {
    let mut stream = channel.into_stream();
    let mut bytes = Vec::new();
    if stream.read_to_end(&mut bytes).await.is_ok() {
        // The other side sees what is missing.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
    }
}

async fn take(channel: Channel<Msg>, reply: ChannelOpenHandle) -> Result<(), russh::Error> {
    reply.accept().await;
    tokio::spawn(echo(channel));
    Ok(())
}

impl client::Handler for Echo {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        // It is a machine of this test, on the loopback.
        Ok(true)
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        take(channel, reply).await
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        take(channel, reply).await
    }
}

/// What a command has written, and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reply {
    pub output: Vec<u8>,
    pub errors: Vec<u8>,
    pub status: Option<u32>,
    pub signal: Option<String>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }
}

pub struct Client {
    pub handle: Handle<Echo>,
}

impl Client {
    pub async fn log_in(port: u16, key: &str) -> Result<Client> {
        let config = client::Config {
            inactivity_timeout: Some(PATIENCE),
            limits: Limits::new(REKEY, REKEY, Duration::from_secs(3600)),
            ..client::Config::default()
        };
        let mut handle = client::connect(Arc::new(config), ("127.0.0.1", port), Echo).await?;
        let key = PrivateKeyWithHashAlg::new(Arc::new(load_secret_key(key, None)?), None);
        let answer = handle.authenticate_publickey("root", key).await?;
        ensure!(answer.success(), "{answer:?}");
        Ok(Client { handle })
    }

    pub async fn log_out(&self) -> Result<()> {
        self.handle
            .disconnect(Disconnect::ByApplication, "", "")
            .await?;
        Ok(())
    }

    /// Runs a command without input.
    pub async fn run(&self, command: &str) -> Result<Reply> {
        let mut channel = self.handle.channel_open_session().await?;
        channel.exec(true, command).await?;
        channel.eof().await?;
        collect(&mut channel).await
    }

    /// Runs one that waits, and sends a signal when it has said something.
    pub async fn interrupt(&self, command: &str, signal: Sig) -> Result<Reply> {
        let mut channel = self.handle.channel_open_session().await?;
        channel.exec(true, command).await?;
        while let Some(message) = channel.wait().await {
            if let ChannelMsg::Data { .. } = message {
                channel.signal(signal).await?;
                break;
            }
        }
        collect(&mut channel).await
    }

    /// Runs one with this input.
    pub async fn feed(&self, command: &str, input: &[u8]) -> Result<Reply> {
        let channel = self.handle.channel_open_session().await?;
        channel.exec(true, command).await?;
        let (mut read, write) = channel.split();
        let feeding = async {
            write.data(input).await?;
            write.eof().await
        };
        let reading = async {
            let mut reply = Reply::default();
            while let Some(message) = read.wait().await {
                reply.take(message);
            }
            reply
        };
        let (fed, reply) = tokio::join!(feeding, reading);
        fed?;
        Ok(reply)
    }
}

impl Reply {
    fn take(&mut self, message: ChannelMsg) {
        match message {
            ChannelMsg::Data { data } => self.output.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, .. } => self.errors.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => self.status = Some(exit_status),
            ChannelMsg::ExitSignal { signal_name, .. } => {
                self.signal = Some(format!("{signal_name:?}"));
            }
            _ => {}
        }
    }
}

/// All that comes until the channel is closed.
pub async fn collect(channel: &mut Channel<Msg>) -> Result<Reply> {
    let mut reply = Reply::default();
    while let Some(message) = channel.wait().await {
        reply.take(message);
    }
    Ok(reply)
}
