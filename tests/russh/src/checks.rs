//! One function for each thing that is tried.

use crate::client::{Client, collect};
use anyhow::{Context, Result, ensure};
use russh::client::Msg;
use russh::{Channel, Pty, Sig};
use russh_sftp::client::SftpSession;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How many channels there are at once.
pub const CHANNELS: usize = 20;

pub async fn commands(client: &Client) -> Result<()> {
    for status in [0, 1, 7, 255] {
        let reply = client.run(&format!("exit {status}")).await?;
        ensure!(reply.status == Some(status), "exit {status}: {reply:?}");
    }
    let reply = client.run("echo out; echo err >&2; exit 3").await?;
    let parts = (&reply.output[..], &reply.errors[..], reply.status);
    ensure!(parts == (b"out\n", b"err\n", Some(3)), "{reply:?}");
    let mut channel = client.handle.channel_open_session().await?;
    channel.set_env(false, "LANG", "C.UTF-8").await?;
    channel.set_env(false, "LD_PRELOAD", "x").await?;
    channel.exec(true, "echo $LANG,$LD_PRELOAD").await?;
    let reply = collect(&mut channel).await?;
    ensure!(reply.output == b"C.UTF-8,\n", "{reply:?}");
    Ok(())
}

pub async fn signals(client: &Client) -> Result<()> {
    let reply = client.run("kill -KILL $$").await?;
    ensure!(reply.signal.as_deref() == Some("KILL"), "{reply:?}");
    let waits = "echo up; exec sleep 1000";
    let reply = client.interrupt(waits, Sig::TERM).await?;
    ensure!(reply.signal.as_deref() == Some("TERM"), "{reply:?}");
    Ok(())
}

pub async fn terminals(client: &Client) -> Result<()> {
    let mut channel = client.handle.channel_open_session().await?;
    let modes = [(Pty::ECHO, 0), (Pty::VINTR, 7)];
    channel
        .request_pty(true, "xterm", 101, 37, 0, 0, &modes)
        .await?;
    channel
        .exec(
            true,
            "echo $TERM; tty; stty size; stty -a; read x; stty size",
        )
        .await?;
    channel.window_change(90, 30, 0, 0).await?;
    channel.data_bytes("\r").await?;
    let reply = collect(&mut channel).await?;
    let text = reply.text();
    for part in ["xterm\r\n", "/dev/pts/", "intr = ^G", " -echo ", "30 90"] {
        ensure!(text.contains(part), "no {part:?} in {text}");
    }
    ensure!(reply.status == Some(0), "{reply:?}");
    Ok(())
}

pub async fn channels(client: &Client) -> Result<()> {
    let mut all = Vec::new();
    for number in 0..CHANNELS {
        let channel = client.handle.channel_open_session().await?;
        let command = format!("read x; echo {number}; exit {number}");
        channel.exec(true, command).await?;
        all.push(channel);
    }
    for channel in &all {
        channel.data_bytes("\n").await?;
    }
    for (number, channel) in all.iter_mut().enumerate() {
        let reply = collect(channel).await?;
        let expected = format!("{number}\n");
        ensure!(reply.text() == expected, "channel {number}: {reply:?}");
        ensure!(reply.status == u32::try_from(number).ok(), "{reply:?}");
    }
    Ok(())
}

pub async fn megabytes(client: &Client) -> Result<()> {
    // No piece is like another one (a linear congruential generator).
    let mut state = 1_u32;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(64 << 20)
    .collect();
    let up = client.feed("cat > /root/russh", &bytes).await?;
    ensure!(up.status == Some(0), "{:?}", up.status);
    let down = client.run("cat /root/russh; rm /root/russh").await?;
    let is_same = down.output == bytes;
    ensure!(is_same, "{} bytes came back, others", down.output.len());
    Ok(())
}

/// What the other end says to `text`.
async fn ask(channel: Channel<Msg>, text: &str) -> Result<String> {
    let mut stream = channel.into_stream();
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

pub async fn to_the_machine(client: &Client) -> Result<()> {
    let open = |port| {
        client
            .handle
            .channel_open_direct_tcpip("127.0.0.1", port, "127.0.0.1", 1)
    };
    let answer = ask(open(80).await?, "GET / HTTP/1.0\r\n\r\n").await?;
    ensure!(answer.contains("It grazes"), "{answer}");
    ensure!(open(81).await.is_err(), "nobody is at port 81");
    Ok(())
}

pub async fn from_the_machine(client: &Client) -> Result<()> {
    let handle = &client.handle;
    let port = handle.tcpip_forward("localhost", 0).await?;
    let open = || handle.channel_open_direct_tcpip("127.0.0.1", port, "127.0.0.1", 1);
    let answer = ask(open().await?, "there and back").await?;
    ensure!(answer == "there and back", "{answer}");
    handle.cancel_tcpip_forward("localhost", port).await?;
    ensure!(open().await.is_err(), "it is awaited still");
    let path = "/tmp/russh.socket";
    handle.streamlocal_forward(path).await?;
    let open = || handle.channel_open_direct_streamlocal(path);
    let answer = ask(open().await?, "by path").await?;
    ensure!(answer == "by path", "{answer}");
    handle.cancel_streamlocal_forward(path).await?;
    ensure!(open().await.is_err(), "it is awaited still");
    Ok(())
}

pub async fn files(client: &Client) -> Result<()> {
    let channel = client.handle.channel_open_session().await?;
    channel.request_subsystem(true, "sftp").await?;
    let sftp = SftpSession::new(channel.into_stream()).await?;
    let text = b"some text".repeat(100_000);
    sftp.create_dir("/root/russh").await?;
    let mut file = sftp.create("/root/russh/one").await?;
    file.write_all(&text).await?;
    file.shutdown().await?;
    sftp.rename("/root/russh/one", "/root/russh/two").await?;
    let back = sftp.read("/root/russh/two").await?;
    ensure!(back == text, "{} bytes came back", back.len());
    let names: Vec<String> = sftp
        .read_dir("/root/russh")
        .await?
        .map(|entry| entry.file_name())
        .collect();
    ensure!(names == ["two"], "{names:?}");
    let size = sftp.metadata("/root/russh/two").await?.size;
    ensure!(size == Some(text.len() as u64), "{size:?}");
    sftp.remove_file("/root/russh/two").await?;
    sftp.remove_dir("/root/russh").await?;
    let gone = sftp.metadata("/root/russh").await;
    ensure!(gone.is_err(), "it is there still");
    sftp.close().await.context("close")
}
