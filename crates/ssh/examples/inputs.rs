//! Dialogues for a fuzzer that is guided by coverage to begin with: `inputs FOLDER
//! FIRST COUNT` writes those of so many seeds there.

use std::path::Path;
use std::process::ExitCode;

use paddock_ssh::fuzzing::input;

fn write(folder: &Path, first: u64, count: u64) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for seed in first..first + count {
        std::fs::write(folder.join(format!("seed-{seed}")), input(seed))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let numbers = |text: &[String]| Some((text[0].parse().ok()?, text[1].parse().ok()?));
    let (Some(folder), Some((first, count))) = (words.get(1), words.get(2..4).and_then(numbers))
    else {
        eprintln!("usage: inputs FOLDER FIRST COUNT");
        return ExitCode::from(2);
    };
    match write(Path::new(folder), first, count) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{folder}: {error}");
            ExitCode::from(1)
        }
    }
}
