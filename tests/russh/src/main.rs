//! What a client made with russh does at a machine: `russh-client PORT KEY`. Each
//! thing that works is a line; the first that does not ends it.

mod checks;
mod client;

use anyhow::{Context, Result, bail};
use client::Client;

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let [_, port, key] = words.as_slice() else {
        bail!("usage: russh-client PORT KEY");
    };
    let port = port.parse().context("PORT")?;
    let client = Client::log_in(port, key).await.context("log in")?;
    println!("logged in");
    checks::commands(&client).await.context("commands")?;
    println!("commands, statuses, streams apart, environment");
    checks::signals(&client).await.context("signals")?;
    println!("signals, sent and died of");
    checks::terminals(&client).await.context("terminals")?;
    println!("terminals, their size and modes");
    checks::channels(&client).await.context("channels")?;
    println!("{} channels at once", checks::CHANNELS);
    checks::megabytes(&client).await.context("64 MiB")?;
    println!("64 MiB each way, with new keys every 8 MiB");
    checks::to_the_machine(&client).await.context("-L")?;
    println!("connections to the machine");
    checks::from_the_machine(&client).await.context("-R")?;
    println!("connections from the machine, over TCP and local sockets");
    checks::files(&client).await.context("sftp")?;
    println!("files over SFTP");
    client.log_out().await
}
