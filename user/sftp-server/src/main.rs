//! `sftp-server [-R] [-d FOLDER] [-u MASK]`: the sftp subsystem of SSH.
//!
//! `-R` changes nothing, `-d` begins in a folder, `-u` sets the mask of new
//! files' modes (octal). Exit status: 0 at the end of input, 1 if the client
//! breaks the protocol, 2 for a wrong usage.

use std::process::ExitCode;

use rustix::fs::Mode;
use sftp_server::{Options, serve};

fn main() -> ExitCode {
    let options = match arguments(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("sftp-server: {error}");
            eprintln!("usage: sftp-server [-R] [-d FOLDER] [-u MASK]");
            return ExitCode::from(2);
        }
    };
    match serve(std::io::stdin().lock(), std::io::stdout().lock(), &options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sftp-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("`{word}` needs a value"));
        match word.as_str() {
            "-R" => options.is_read_only = true,
            "-d" => {
                let folder = value()?;
                std::env::set_current_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
            }
            "-u" => {
                let mask = value()?;
                let bits = u32::from_str_radix(&mask, 8)
                    .ok()
                    .filter(|bits| *bits <= 0o777)
                    .ok_or(format!("`{mask}` is not a mask"))?;
                rustix::process::umask(Mode::from_bits_truncate(bits));
            }
            _ => return Err(format!("unknown argument `{word}`")),
        }
    }
    Ok(options)
}
