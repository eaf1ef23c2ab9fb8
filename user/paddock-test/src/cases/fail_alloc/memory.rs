//! Mappings and page faults.

use super::Scene;
use crate::sys::{Errno, Map, call};

pub fn mappings(scene: &mut Scene) -> Result<(), Errno> {
    let map = Map::memory(1 << 20)?;
    for page in 0..64 {
        map.write(page * 16_384, page as u8);
    }
    map.protect(65_536, 65_536, libc::PROT_READ)?;
    map.protect(65_536, 65_536, libc::PROT_READ | libc::PROT_WRITE)?;
    let found: Vec<u8> = (0..64).map(|page| map.read(page * 16_384)).collect();
    scene.same("what was written", found, (0..64).collect());
    call!(libc::madvise(map.start.cast(), 32_768, libc::MADV_DONTNEED))?;
    scene.same("what was given up", map.read(16_384), 0);
    call!(libc::munmap(map.start.wrapping_add(131_072).cast(), 4096))?;
    let shared = Map::new(
        65_536,
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_SHARED | libc::MAP_ANONYMOUS,
        -1,
    )?;
    shared.write(0, 1);
    let mut grown = Map::memory(4096)?;
    grown.write(0, 9);
    let moved = call!(libc::mremap(
        grown.start.cast(),
        4096,
        65_536,
        libc::MREMAP_MAYMOVE
    ))?;
    (grown.start, grown.length) = (moved.cast(), 65_536);
    scene.same("what has moved", grown.read(0), 9);
    Ok(())
}
