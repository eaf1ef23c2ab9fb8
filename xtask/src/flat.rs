//! From the linked ELF file to the flat image that `-kernel` boots.

use anyhow::{Context, Result, bail, ensure};
use std::path::Path;

const LOADABLE: u32 = 1;
/// "ARM\x64" at byte 56 of Linux's arm64 boot header.
const MAGIC: &[u8] = b"ARM\x64";

/// One loadable segment: where it goes and what it holds.
struct Segment<'a> {
    address: u64,
    bytes: &'a [u8],
}

/// Writes the flat form of the ELF file at `elf` to `image`.
pub fn convert(elf: &Path, image: &Path) -> Result<()> {
    let bytes = std::fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
    let flat = flatten(&bytes).with_context(|| format!("{} cannot be converted", elf.display()))?;
    std::fs::write(image, flat).with_context(|| format!("cannot write {}", image.display()))
}

/// The loadable segments, each at its physical address less the lowest one.
pub fn flatten(elf: &[u8]) -> Result<Vec<u8>> {
    let segments = segments(elf)?;
    let start = segments
        .iter()
        .map(|s| s.address)
        .min()
        .context("nothing to load")?;
    let end = segments
        .iter()
        .map(|s| s.address + s.bytes.len() as u64)
        .max()
        .unwrap_or(start);
    ensure!(
        end - start < 256 << 20,
        "the segments are {} bytes apart",
        end - start
    );
    let mut image = vec![0; (end - start) as usize];
    for segment in &segments {
        let at = (segment.address - start) as usize;
        image[at..at + segment.bytes.len()].copy_from_slice(segment.bytes);
    }
    ensure!(
        image.get(56..60) == Some(MAGIC),
        "the image does not begin with the arm64 boot header"
    );
    Ok(image)
}

fn segments(elf: &[u8]) -> Result<Vec<Segment<'_>>> {
    if elf.get(..6) != Some(b"\x7fELF\x02\x01") {
        bail!("not a 64-bit little-endian ELF file");
    }
    let table = u64_at(elf, 32)? as usize;
    let size = u16_at(elf, 54)? as usize;
    let count = u16_at(elf, 56)? as usize;
    let mut found = Vec::new();
    for header in (0..count).map(|i| table + i * size) {
        let file_size = u64_at(elf, header + 32)? as usize;
        if u32_at(elf, header)? != LOADABLE || file_size == 0 {
            continue;
        }
        let offset = u64_at(elf, header + 8)? as usize;
        let bytes = elf
            .get(offset..offset + file_size)
            .context("a segment is cut off")?;
        found.push(Segment {
            address: u64_at(elf, header + 24)?,
            bytes,
        });
    }
    Ok(found)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .context("the file is cut off")
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16> {
    array_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    array_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64> {
    array_at(bytes, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(segments: &[(u64, &[u8])]) -> Vec<u8> {
        let mut out = vec![0; 64 + 56 * segments.len()];
        out[..6].copy_from_slice(b"\x7fELF\x02\x01");
        out[32] = 64;
        out[54] = 56;
        out[56] = segments.len() as u8;
        for (i, (address, bytes)) in segments.iter().enumerate() {
            let offset = out.len() as u64;
            let header = 64 + 56 * i;
            out[header] = 1;
            out[header + 8..header + 16].copy_from_slice(&offset.to_le_bytes());
            out[header + 24..header + 32].copy_from_slice(&address.to_le_bytes());
            out[header + 32..header + 40].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        out
    }

    #[test]
    fn segments_keep_their_distance() {
        let mut head = [0; 64];
        head[56..60].copy_from_slice(MAGIC);
        let image = flatten(&elf(&[(0x1100, b"data"), (0x1000, &head)])).unwrap();
        assert_eq!(image.len(), 0x104);
        assert_eq!(&image[0x100..], b"data");
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        assert!(flatten(b"#!/bin/sh").is_err());
        assert!(flatten(&elf(&[(0, b"no header")])).is_err());
        let whole = elf(&[(0, &[0; 64])]);
        assert!(flatten(&whole[..whole.len() - 1]).is_err());
    }
}
