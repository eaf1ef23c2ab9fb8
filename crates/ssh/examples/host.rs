//! Serves the host's shell over SSH on the loopback, to try a client by hand:
//! `cargo run -p paddock-ssh --example host -- AUTHORIZED_KEYS_FILE`.

#[path = "../tests/host/mod.rs"]
mod host;

fn main() {
    let Some(file) = std::env::args().nth(1) else {
        eprintln!("usage: host AUTHORIZED_KEYS_FILE");
        std::process::exit(2);
    };
    let keys = match std::fs::read_to_string(&file) {
        Ok(keys) => keys,
        Err(error) => {
            eprintln!("{file}: {error}");
            std::process::exit(1);
        }
    };
    let server = host::server::Server::start(&keys, usize::MAX, |_| {});
    let address = server.address;
    println!("ssh -p {} root@{}", address.port(), address.ip());
    println!("{}", server.host_key);
    loop {
        std::thread::park();
    }
}
