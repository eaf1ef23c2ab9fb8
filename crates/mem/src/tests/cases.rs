//! Single cases.

use super::file::{BYTE, File, first_content};
use super::{Cpu, RW, new_space};
use crate::fake::{self, Fake};
use crate::{
    Access, AddressSpace, FaultError, FutexKey, Layout, Limits, MapRequest, MapSource, PAGE_SIZE,
    PageRange, Step, VmaKind, handle_fault, populate,
};
use paddock_abi::Errno;
use paddock_abi::mman::{
    MADV_DONTFORK, MADV_FREE, MREMAP_DONTUNMAP, MREMAP_MAYMOVE, MapFlags, Prot,
};
use paddock_sync::{Mutex, Rank};
use std::sync::Arc;

const AT: u64 = 0x10_0000_0000;

fn map(space: &mut AddressSpace<Fake>, pages: u64) -> u64 {
    space
        .map(&MapRequest::anonymous(pages * PAGE_SIZE, RW))
        .unwrap()
}

fn file_request(file: &Arc<File>, pages: u64, prot: Prot, flags: MapFlags) -> MapRequest<Fake> {
    let source: Arc<dyn MapSource<Fake>> = file.clone();
    MapRequest {
        address: 0,
        length: pages * PAGE_SIZE,
        prot,
        flags,
        source: Some((source, 0)),
        may: Prot::all(),
    }
}

#[test]
fn mappings_without_an_address_go_top_down_and_merge() {
    fake::reset(64);
    let mut space = new_space();
    let first = map(&mut space, 3);
    let second = map(&mut space, 2);
    assert_eq!(first + 3 * PAGE_SIZE, space.layout().map_top);
    assert_eq!(second + 2 * PAGE_SIZE, first);
    assert_eq!(space.areas().len(), 1);
    space.unmap(first, PAGE_SIZE).unwrap();
    assert_eq!(space.areas().len(), 2);
    assert_eq!(map(&mut space, 1), first);
    assert_eq!(space.areas().len(), 1);
}

#[test]
fn bad_requests_are_refused() {
    fake::reset(64);
    let mut space = new_space();
    let mut try_map = |change: &dyn Fn(&mut MapRequest<Fake>)| {
        let mut request = MapRequest::anonymous(PAGE_SIZE, RW);
        change(&mut request);
        space.map(&request)
    };
    assert_eq!(try_map(&|request| request.length = 0), Err(Errno::EINVAL));
    assert_eq!(
        try_map(&|request| request.length = u64::MAX),
        Err(Errno::ENOMEM)
    );
    assert_eq!(
        try_map(&|request| request.length = 1 << 48),
        Err(Errno::ENOMEM)
    );
    assert_eq!(
        try_map(&|request| request.flags = MapFlags::ANONYMOUS),
        Err(Errno::EINVAL)
    );
    let fixed = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED;
    let at = |address: u64| {
        move |request: &mut MapRequest<Fake>| {
            request.address = address;
            request.flags = fixed;
        }
    };
    assert_eq!(try_map(&at(0)), Err(Errno::EPERM));
    assert_eq!(try_map(&at(0x1001)), Err(Errno::EINVAL));
    assert_eq!(try_map(&at(1 << 48)), Err(Errno::ENOMEM));
    assert_eq!(try_map(&at(0xffff_0000_0000_0000)), Err(Errno::ENOMEM));
    assert_eq!(try_map(&at(AT)), Ok(AT));
    let again = |request: &mut MapRequest<Fake>| {
        request.address = AT;
        request.flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED_NOREPLACE;
    };
    assert_eq!(try_map(&again), Err(Errno::EEXIST));
}

#[test]
fn a_file_opened_for_reading_cannot_be_mapped_shared_for_writing() {
    fake::reset(64);
    let file = File::new(4);
    let mut space = new_space();
    let mut request = file_request(&file, 1, RW, MapFlags::SHARED);
    request.may = Prot::READ | Prot::EXEC;
    assert_eq!(space.map(&request), Err(Errno::EACCES));
    request.prot = Prot::READ;
    let at = space.map(&request).unwrap();
    assert_eq!(space.protect(at, PAGE_SIZE, RW), Err(Errno::EACCES));
    request.prot = RW;
    request.flags = MapFlags::PRIVATE;
    assert!(space.map(&request).is_ok());
}

#[test]
fn a_stack_grows_to_its_limit_and_not_into_others() {
    fake::reset(64);
    let cpu = Cpu::new();
    let mut space = new_space();
    let top = space.map_stack(2 * PAGE_SIZE, RW).unwrap();
    cpu.store(&mut space, top - 8, 1).unwrap();
    cpu.store(&mut space, top - 5 * PAGE_SIZE, 2).unwrap();
    assert_eq!(space.areas()[0].range().start(), top - 5 * PAGE_SIZE);
    assert_eq!(space.counters().stack, 5);
    let beyond = top - (8 << 20) - 1;
    assert_eq!(cpu.store(&mut space, beyond, 3), Err(FaultError::NotMapped));
    let below = top - 400 * PAGE_SIZE;
    space
        .map(&MapRequest::anonymous(PAGE_SIZE, RW).fixed_at(below))
        .unwrap();
    let near = below + 200 * PAGE_SIZE;
    assert_eq!(cpu.load(&mut space, near), Err(FaultError::NotMapped));
    assert_eq!(cpu.load(&mut space, below + 257 * PAGE_SIZE), Ok(0));
}

#[test]
fn brk_moves_the_heap() {
    fake::reset(64);
    let cpu = Cpu::new();
    let mut space = new_space();
    space.set_heap(AT + 100);
    assert_eq!(space.brk(0), AT + 100);
    let end = AT + 3 * PAGE_SIZE + 5;
    assert_eq!(space.brk(end), end);
    cpu.store(&mut space, end - 1, 9).unwrap();
    assert_eq!(space.areas()[0].kind(), VmaKind::Heap);
    assert_eq!(space.brk(AT + 2 * PAGE_SIZE), AT + 2 * PAGE_SIZE);
    assert_eq!(cpu.load(&mut space, end - 1), Err(FaultError::NotMapped));
    assert_eq!(space.brk(end), end);
    assert_eq!(cpu.load(&mut space, end - 1), Ok(0));
    space
        .map(&MapRequest::anonymous(PAGE_SIZE, RW).fixed_at(AT + 10 * PAGE_SIZE))
        .unwrap();
    assert_eq!(space.brk(AT + 20 * PAGE_SIZE), end);
    assert_eq!(space.brk(u64::MAX), end);
}

#[test]
fn limits_bound_what_can_be_mapped() {
    fake::reset(64);
    let limits = Limits {
        address_space: 100 * PAGE_SIZE,
        data: 50 * PAGE_SIZE,
        stack: 8 << 20,
        request: 40 * PAGE_SIZE,
    };
    let mut space = AddressSpace::<Fake>::new(Layout::new(7, 8 << 20), limits).unwrap();
    let mut try_map = |pages: u64, prot, extra| {
        let mut request = MapRequest::anonymous(pages * PAGE_SIZE, prot);
        request.flags |= extra;
        space.map(&request).map(|_| ())
    };
    let none = MapFlags::empty();
    assert_eq!(try_map(41, RW, none), Err(Errno::ENOMEM));
    assert_eq!(try_map(41, RW, MapFlags::NORESERVE), Ok(()));
    assert_eq!(try_map(10, RW, none), Err(Errno::ENOMEM));
    assert_eq!(try_map(9, RW, none), Ok(()));
    assert_eq!(try_map(50, Prot::READ, none), Ok(()));
    assert_eq!(try_map(1, Prot::READ, none), Err(Errno::ENOMEM));
}

#[test]
fn reading_a_file_maps_the_neighbours_that_are_at_hand() {
    fake::reset(64);
    let cpu = Cpu::new();
    let file = File::new(40);
    for index in 0..20 {
        file.page(index, false).unwrap();
    }
    let mut space = new_space();
    let at = space
        .map(&file_request(
            &file,
            40,
            Prot::READ | Prot::EXEC,
            MapFlags::PRIVATE,
        ))
        .unwrap();
    let aligned = at.next_multiple_of(16 * PAGE_SIZE);
    let first = (aligned - at) / PAGE_SIZE;
    assert_eq!(
        cpu.load(&mut space, aligned + BYTE),
        Ok(first_content(first))
    );
    let expected = (first..first + 16).filter(|&index| index < 20).count() as u64;
    assert_eq!(space.counters().resident_shared, expected);
    assert_eq!(fake::code_published() as u64, expected);
}

#[test]
fn fork_shares_pages_until_one_side_writes() {
    fake::reset(200);
    let cpu = Cpu::new();
    let mut parent = new_space();
    let at = map(&mut parent, 10);
    for page in 0..10 {
        cpu.store(&mut parent, at + page * PAGE_SIZE, page as u8)
            .unwrap();
    }
    let before = fake::used();
    let mut child = parent.fork().unwrap();
    // A root, and three tables below it.
    assert_eq!(fake::used(), before + 4);
    assert_eq!(child.counters().resident(), 10);
    cpu.store(&mut child, at, 77).unwrap();
    assert_eq!(fake::used(), before + 5);
    assert_eq!(cpu.load(&mut parent, at), Ok(0));
    drop(child);
    assert_eq!(fake::used(), before);
    // The only owner writes without a copy.
    cpu.store(&mut parent, at, 78).unwrap();
    assert_eq!(fake::used(), before);
}

#[test]
fn dont_fork_areas_are_left_out() {
    fake::reset(64);
    let cpu = Cpu::new();
    let mut space = new_space();
    let at = map(&mut space, 3);
    space
        .advise(at + PAGE_SIZE, PAGE_SIZE, MADV_DONTFORK)
        .unwrap();
    let mut child = space.fork().unwrap();
    assert_eq!(cpu.load(&mut child, at), Ok(0));
    assert_eq!(
        cpu.load(&mut child, at + PAGE_SIZE),
        Err(FaultError::NotMapped)
    );
}

#[test]
fn shared_memory_is_shared_over_fork_before_and_after_the_first_touch() {
    fake::reset(64);
    let cpu = Cpu::new();
    let mut parent = new_space();
    let mut request = MapRequest::anonymous(2 * PAGE_SIZE, RW);
    request.flags = MapFlags::SHARED | MapFlags::ANONYMOUS;
    let at = parent.map(&request).unwrap();
    cpu.store(&mut parent, at, 1).unwrap();
    let mut child = parent.fork().unwrap();
    cpu.store(&mut child, at + PAGE_SIZE, 2).unwrap();
    assert_eq!(cpu.load(&mut child, at), Ok(1));
    assert_eq!(cpu.load(&mut parent, at + PAGE_SIZE), Ok(2));
    let key = parent.futex_key(at + 4, false).unwrap();
    assert_eq!(child.futex_key(at + 4, false), Ok(key));
    assert!(matches!(key, FutexKey::Shared { offset: 4, .. }));
    assert_ne!(
        child.futex_key(at + 4, true),
        parent.futex_key(at + 4, true)
    );
    drop(parent);
    assert_eq!(cpu.load(&mut child, at), Ok(1));
}

#[test]
fn empty_tables_go_when_their_last_mapping_goes() {
    fake::reset(200);
    let cpu = Cpu::new();
    let mut space = new_space();
    let empty = fake::used();
    for step in 0..20 {
        let at = AT + step * (3 << 30);
        space
            .map(&MapRequest::anonymous(PAGE_SIZE, RW).fixed_at(at))
            .unwrap();
        cpu.store(&mut space, at, 1).unwrap();
        space.unmap(at, PAGE_SIZE).unwrap();
        assert_eq!(fake::used(), empty);
    }
}

#[test]
fn a_new_page_costs_no_flush() {
    fake::reset(64);
    let cpu = Cpu::new();
    let mut space = new_space();
    let at = map(&mut space, 8);
    for page in 0..8 {
        cpu.store(&mut space, at + page * PAGE_SIZE, 1).unwrap();
    }
    assert_eq!(fake::flushes(), 0);
    space.unmap(at, 8 * PAGE_SIZE).unwrap();
    assert_eq!(fake::flushes(), 1);
}

#[test]
fn growing_by_remap_moves_the_pages() {
    fake::reset(64);
    let cpu = Cpu::new();
    let mut space = new_space();
    let at = map(&mut space, 3);
    space
        .protect(at + 2 * PAGE_SIZE, PAGE_SIZE, Prot::READ)
        .unwrap();
    cpu.store(&mut space, at, 5).unwrap();
    let above = space
        .remap(at, 2 * PAGE_SIZE, 600 * PAGE_SIZE, MREMAP_MAYMOVE, 0)
        .unwrap();
    assert_ne!(above, at);
    assert_eq!(cpu.load(&mut space, above), Ok(5));
    assert_eq!(cpu.load(&mut space, at), Err(FaultError::NotMapped));
    assert_eq!(
        space.remap(above, 600 * PAGE_SIZE, PAGE_SIZE, 0, 0),
        Ok(above)
    );
    assert_eq!(space.counters().mapped, 2);
}

#[test]
fn a_move_may_leave_the_mapping_without_its_pages() {
    fake::reset(64);
    let cpu = Cpu::new();
    let mut space = new_space();
    let at = map(&mut space, 3);
    cpu.store(&mut space, at + PAGE_SIZE, 5).unwrap();
    let flags = MREMAP_MAYMOVE | MREMAP_DONTUNMAP;
    let moved = space.remap(at, 2 * PAGE_SIZE, 2 * PAGE_SIZE, flags, 0);
    let moved = moved.unwrap();
    assert_eq!(cpu.load(&mut space, moved + PAGE_SIZE), Ok(5));
    assert_eq!(cpu.load(&mut space, at + PAGE_SIZE), Ok(0));
    assert_eq!(space.counters().mapped, 5);
    let refused = [
        (2 * PAGE_SIZE, PAGE_SIZE, flags, 0),
        (PAGE_SIZE, PAGE_SIZE, MREMAP_DONTUNMAP, 0),
        (2 * PAGE_SIZE, 2 * PAGE_SIZE, flags, at + PAGE_SIZE),
    ];
    for (old, new, flags, to) in refused {
        assert_eq!(space.remap(at, old, new, flags, to), Err(Errno::EINVAL));
    }
}

#[test]
fn memory_that_becomes_writable_counts_as_data() {
    fake::reset(64);
    let mut space = new_space();
    let at = map(&mut space, 3);
    space.protect(at, 3 * PAGE_SIZE, Prot::READ).unwrap();
    let limits = Limits {
        data: 2 * PAGE_SIZE,
        ..space.limits()
    };
    space.set_limits(limits);
    let both = Prot::READ | Prot::WRITE;
    let refused = space.protect(at, 3 * PAGE_SIZE, both);
    assert_eq!(refused, Err(Errno::ENOMEM));
    space.protect(at, 2 * PAGE_SIZE, both).unwrap();
}

#[test]
fn free_advice_is_for_private_memory() {
    fake::reset(64);
    let cpu = Cpu::new();
    let mut space = new_space();
    let at = map(&mut space, 1);
    cpu.store(&mut space, at, 5).unwrap();
    space.advise(at, PAGE_SIZE, MADV_FREE).unwrap();
    assert_eq!(cpu.load(&mut space, at), Ok(0));
    assert_eq!(space.advise(at, PAGE_SIZE, 12345), Err(Errno::EINVAL));
    assert_eq!(
        space.advise(at + 1, PAGE_SIZE, MADV_FREE),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        space.advise(at, 9 * PAGE_SIZE, MADV_FREE),
        Err(Errno::ENOMEM)
    );
}

#[test]
fn what_changes_during_a_fetch_is_looked_at_again() {
    fake::reset(64);
    let file = File::new(4);
    let mut space = new_space();
    let at = space
        .map(&file_request(&file, 4, RW, MapFlags::PRIVATE))
        .unwrap();
    let Ok(Step::Fetch(request)) = space.fault(at, Access::Read) else {
        panic!("a page that is not cached must be fetched");
    };
    let page = request.fetch().unwrap();
    space
        .map(&MapRequest::anonymous(PAGE_SIZE, RW).fixed_at(at))
        .unwrap();
    assert_eq!(space.commit(&request, page.try_clone().unwrap()), Ok(false));
    space.unmap(at, PAGE_SIZE).unwrap();
    assert_eq!(space.commit(&request, page), Err(FaultError::NotMapped));
}

#[test]
fn bytes_go_in_and_out_over_page_borders() {
    fake::reset(64);
    let file = File::new(4);
    let mut space = new_space();
    let at = space
        .map(&file_request(&file, 2, RW, MapFlags::PRIVATE))
        .unwrap();
    let text = b"over the border";
    space.write_bytes(at + PAGE_SIZE - 5, text).unwrap();
    let mut back = [0; 15];
    space.read_bytes(at + PAGE_SIZE - 5, &mut back).unwrap();
    assert_eq!(&back, text);
    let end = at + 2 * PAGE_SIZE - 3;
    assert_eq!(space.write_bytes(end, text), Err(FaultError::NotMapped));
    assert_eq!(
        space.read_bytes(u64::MAX - 2, &mut back),
        Err(FaultError::NotMapped)
    );
    space.zero_bytes(at, 2 * PAGE_SIZE as usize).unwrap();
    space.protect(at, PAGE_SIZE, Prot::READ).unwrap();
    assert_eq!(space.write_bytes(at, text), Err(FaultError::NotAllowed));
}

#[test]
fn the_kernel_can_place_bytes_where_the_program_may_not_write() {
    fake::reset(64);
    let file = File::new(4);
    let cpu = Cpu::new();
    let mut space = new_space();
    let at = space
        .map(&file_request(
            &file,
            1,
            Prot::READ | Prot::EXEC,
            MapFlags::PRIVATE,
        ))
        .unwrap();
    space.place_zeros(at + BYTE, 1).unwrap();
    space.place_bytes(at + BYTE + 1, b"x").unwrap();
    assert_eq!(cpu.load(&mut space, at + BYTE), Ok(0));
    assert_eq!(cpu.load(&mut space, at + BYTE + 1), Ok(b'x'));
    assert_eq!(cpu.store(&mut space, at, 1), Err(FaultError::NotAllowed));
    assert_eq!(
        file.cached(0).map(|page| {
            let mut byte = [0];
            page.read(BYTE as usize, &mut byte);
            byte[0]
        }),
        Some(100)
    );
}

#[test]
fn faults_and_populate_through_the_lock() {
    fake::reset(64);
    let file = File::new(10);
    let space = Mutex::new(Rank::AddressSpace, new_space());
    let at = space
        .lock()
        .map(&file_request(&file, 10, RW, MapFlags::SHARED))
        .unwrap();
    handle_fault(&space, at, Access::Write).unwrap();
    let range = PageRange::new(at, 10 * PAGE_SIZE).unwrap();
    populate(&space, range, Access::Read).unwrap();
    assert_eq!(space.lock().counters().resident_shared, 10);
    let nowhere = PageRange::new(AT, PAGE_SIZE).unwrap();
    assert_eq!(
        populate(&space, nowhere, Access::Read),
        Err(FaultError::NotMapped)
    );
}

#[test]
fn maps_lines_look_like_linux() {
    fake::reset(64);
    let file = File::new(10);
    let mut space = new_space();
    space
        .map(&MapRequest {
            address: 0x40_0000,
            source: Some((file.clone(), 0x2000)),
            ..file_request(
                &file,
                2,
                Prot::READ | Prot::EXEC,
                MapFlags::PRIVATE | MapFlags::FIXED,
            )
        })
        .unwrap();
    space.set_heap(0x50_0000);
    space.brk(0x50_1000);
    let lines: Vec<String> = space.maps().map(|line| line.to_string()).collect();
    assert_eq!(
        lines[0],
        "00400000-00402000 r-xp 00002000 08:01 42                         /bin/thing"
    );
    assert_eq!(
        lines[1],
        "00500000-00501000 rw-p 00000000 00:00 0                          [heap]"
    );
}

#[test]
fn what_is_cut_off_a_file_goes_from_its_mappings() {
    for flags in [MapFlags::SHARED, MapFlags::PRIVATE] {
        fake::reset(64);
        let file = File::new(4);
        let mut space = new_space();
        let request = file_request(&file, 4, RW, flags);
        let start = space.map(&request).unwrap();
        let other = map(&mut space, 4);
        let space = Mutex::new(Rank::AddressSpace, space);
        let touch = |page, access| handle_fault(&space, start + page * PAGE_SIZE, access);
        for page in 0..4 {
            touch(page, Access::Write).unwrap();
        }
        handle_fault(&space, other, Access::Write).unwrap();
        // One fetched its page before the cut, and comes to map it after it.
        space
            .lock()
            .unmap(start + 3 * PAGE_SIZE, PAGE_SIZE)
            .unwrap();
        let mut again = file_request(&file, 4, RW, flags | MapFlags::FIXED);
        (again.address, again.length) = (start + 3 * PAGE_SIZE, PAGE_SIZE);
        let source: Arc<dyn MapSource<Fake>> = file.clone();
        again.source = Some((source, 3 * PAGE_SIZE));
        space.lock().map(&again).unwrap();
        let step = space.lock().fault(start + 3 * PAGE_SIZE, Access::Write);
        let late = match step.unwrap() {
            Step::Fetch(late) => Some((late.fetch().unwrap(), late)),
            Step::Done => None,
        };
        file.cut(1);
        space.lock().cut((0x801, 43), 0);
        space.lock().cut(file.identity(), 1);
        if let Some((page, late)) = late {
            assert_eq!(space.lock().commit(&late, page), Err(FaultError::Bus));
        }
        touch(0, Access::Write).unwrap();
        for page in 1..4 {
            assert_eq!(touch(page, Access::Read), Err(FaultError::Bus), "{page}");
        }
        file.cut(3);
        touch(2, Access::Read).unwrap();
        assert_eq!(touch(3, Access::Read), Err(FaultError::Bus));
    }
}
