//! The archive of an image: a tar file of blobs, or a folder of them.

use crate::tar_entry::relative;
use anyhow::{Context, Result, anyhow, bail, ensure};
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

/// The blobs of an image, unpacked.
pub struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// Unpacks the files of `file` below `folder`; a folder is taken as it is.
    ///
    /// # Errors
    /// It is no archive, or one with paths that leave it.
    pub fn unpack(file: &Path, folder: &Path) -> Result<Archive> {
        if file.is_dir() {
            let folder = file.to_owned();
            return Ok(Archive { folder });
        }
        let mut archive = tar::Archive::new(open(file)?);
        // What the library says of such shows what is in the file.
        let no_archive = |_| anyhow!("{} is no tar archive, or not a whole one", file.display());
        for entry in archive.entries().map_err(no_archive)? {
            let mut entry = entry.map_err(no_archive)?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = folder.join(relative(&entry.path()?)?);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut out = File::create(&path)?;
            io::copy(&mut entry, &mut out).map_err(no_archive)?;
        }
        ensure!(
            folder.is_dir(),
            "{} has no files in it: is it an archive of `docker save`, `podman save` or `skopeo copy`?",
            file.display()
        );
        Ok(Archive {
            folder: folder.to_owned(),
        })
    }

    /// Where the file `name` is, if there is one.
    pub fn file(&self, name: &str) -> Result<Option<PathBuf>> {
        let path = self.folder.join(relative(Path::new(name))?);
        Ok(path.is_file().then_some(path))
    }

    /// Reads the JSON file `name`, if there is one.
    pub fn json(&self, name: &str) -> Result<Option<Value>> {
        match self.file(name)? {
            Some(path) => Ok(Some(parse(&path)?)),
            None => Ok(None),
        }
    }

    /// Where the blob is that a descriptor means, of which it has the digest.
    pub fn blob(&self, descriptor: &Value) -> Result<PathBuf> {
        let digest = descriptor["digest"].as_str();
        let digest = digest.context("a descriptor without a digest")?;
        let Some(hex) = digest.strip_prefix("sha256:") else {
            bail!("the digest {digest} is of a kind that is not known: sha256 is");
        };
        let path = self.file(&format!("blobs/sha256/{hex}"))?;
        let path = path.with_context(|| format!("the blob {digest} is missing"))?;
        ensure!(
            digest_of(&path)? == hex,
            "the blob {digest} is not what its digest says: the archive is damaged"
        );
        Ok(path)
    }
}

/// Reads a JSON file.
pub fn parse(path: &Path) -> Result<Value> {
    let name = path.file_name().unwrap_or_default();
    serde_json::from_slice(&fs::read(path)?)
        .with_context(|| format!("{} is no JSON", name.display()))
}

fn digest_of(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut file = BufReader::new(File::open(path)?);
    let mut bytes = vec![0; 1 << 16];
    loop {
        match file.read(&mut bytes)? {
            0 => break,
            count => hash.update(&bytes[..count]),
        }
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Opens a file, which may be compressed by gzip or zstd.
pub fn open(path: &Path) -> Result<Box<dyn Read>> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
    let mut file = BufReader::new(file);
    let mut magic = [0; 4];
    let count = file.read(&mut magic)?;
    file.rewind()?;
    match &magic[..count] {
        [0x1f, 0x8b, ..] => Ok(Box::new(MultiGzDecoder::new(file))),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            let decoder = StreamingDecoder::new(file);
            Ok(Box::new(decoder.with_context(|| {
                format!("{shown} is damaged where zstd begins")
            })?))
        }
        _ => Ok(Box::new(file)),
    }
}
