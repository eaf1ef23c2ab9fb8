//! Loading a program: from a path and its arguments to an address space.

use super::hardware::Arm;
use super::memory::{FilePages, Memory};
use super::vdso;
use super::vfs::namespace;
use crate::{config, random};
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::mman::{MapFlags, Prot};
use paddock_abi::process::*;
use paddock_abi::signal::SIGNAL_STACK;
use paddock_abi::{Errno, Result};
use paddock_cred::{Cred, Executed, ExecutedFile, UserNamespace};
use paddock_mem::{
    AddressSpace, FaultError, Layout, Limits, MapRequest, MapSource, PAGE_SIZE, StringsAt,
};
use paddock_process::elf::{Image, Source};
use paddock_process::script;
use paddock_process::stack::{self, Start, Strings};
use paddock_sync::try_arc;
use paddock_vfs::notify;
use paddock_vfs::{Access, FileKind, Inode, Metadata, Path, PathContext, Running};

/// Where position-independent programs go at the least.
const PROGRAM_BASE: u64 = 0x5555_5555_0000;
/// Pages by which they are shifted at random, as many bits as on Linux; less one.
const PROGRAM_SHIFT: u64 = (1 << 18) - 1;
/// Pages by which the heap is shifted; less one.
const HEAP_SHIFT: u64 = (1 << 13) - 1;
/// How many scripts may name one another.
const MAX_SCRIPTS: usize = 4;
/// Bytes of stack that are there from the start.
const FIRST_STACK: u64 = 128 << 10;

/// What to load.
pub struct Request<'a> {
    /// Where paths start, and who asks.
    pub context: &'a PathContext,
    /// The program's path: where it is found, or how it is called if it has been.
    pub path: &'a [u8],
    /// The program's file, if it has been found.
    pub file: Option<Path>,
    /// Its arguments.
    pub arguments: Strings,
    /// Its environment.
    pub environment: Strings,
    /// How large its memory and its stack may become.
    pub limits: Limits,
    /// That its parts are always at the same addresses (`ADDR_NO_RANDOMIZE`).
    pub fixed_addresses: bool,
    /// That its file gives it nothing: one of less looks into it (ptrace(2)).
    pub gives_nothing: bool,
}

/// The file that a process runs: nobody writes to it meanwhile.
pub struct Executable {
    /// Where it was found.
    pub path: Path,
    running: Running,
}

impl Executable {
    /// The same for another process. `ETXTBSY` for the 2³¹st.
    pub fn try_clone(&self) -> Result<Executable> {
        Ok(Executable {
            path: self.path.clone(),
            running: self.running.try_clone()?,
        })
    }
}

/// A program that is ready to run.
pub struct Loaded {
    /// Its memory.
    pub memory: Arc<Memory>,
    /// Where it begins.
    pub entry: u64,
    /// Its first stack pointer.
    pub sp: u64,
    /// Its auxiliary vector, as on its stack.
    pub auxv: Vec<u8>,
    /// The way back from signal handlers.
    pub trampoline: u64,
    /// The file.
    pub executable: Executable,
    /// Who it runs as.
    pub cred: Arc<Cred>,
    /// Whether that is more than its caller.
    pub secure: bool,
    /// Whether its caller may read it, and so may see its memory.
    pub readable: bool,
}

struct FileSource<'a> {
    inode: &'a Arc<dyn Inode>,
    length: u64,
}

impl Source for FileSource<'_> {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let mut done = 0;
        while done < buf.len() {
            let count = self
                .inode
                .read_at(offset + done as u64, &mut (&mut buf[done..]).into())?;
            if count == 0 {
                return Err(Errno::ENOEXEC);
            }
            done += count;
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        self.length
    }
}

/// Finds an executable file. The errors of execve(2).
fn find(context: &PathContext, path: &[u8]) -> Result<(Path, u64)> {
    executable(context, namespace().resolve(context, path, true)?)
}

/// A file with its length, if it may be executed, and those who are asked do not refuse it.
/// Sleeps. `EACCES`, `EPERM`, `ERESTARTSYS`.
fn executable(context: &PathContext, place: Path) -> Result<(Path, u64)> {
    let metadata = place.inode().metadata()?;
    if metadata.kind != FileKind::Regular || place.forbids_exec() {
        return Err(Errno::EACCES);
    }
    namespace().access(context, &place, Access::EXECUTE)?;
    notify::executes(&place)?;
    Ok((place, metadata.size))
}

/// Who a program runs as that `context` executes, and that may be given `nothing`.
fn executed_by(context: &PathContext, place: &Path, nothing: bool) -> Result<Executed> {
    let Metadata { mode, uid, gid, .. } = place.inode().metadata()?;
    Ok(context.cred.exec(&ExecutedFile {
        mode,
        uid,
        gid,
        nosuid: nothing || !place.mount().may_set_user(&context.cred, &context.root),
    }))
}

/// The user namespace whose capabilities it takes to look into a program's memory that
/// nobody else may: of one that cannot be read, one that knows whose it is.
fn looked_into_from(cred: &Cred, place: &Path, readable: bool) -> Result<UserNamespace> {
    let mut namespace = cred.user_namespace.clone();
    if readable || namespace.is_initial() {
        return Ok(namespace);
    }
    let Metadata { uid, gid, .. } = place.inode().metadata()?;
    while let Some(above) = namespace.above().filter(|_| !namespace.knows(uid, gid)) {
        namespace = above.clone();
    }
    Ok(namespace)
}

/// Bytes by which the parts of a program are away from where they could be.
struct Shifts {
    /// For [`Layout::new`].
    layout: u64,
    program: u64,
    heap: u64,
}

impl Shifts {
    /// Random ones, or none.
    fn new(none: bool) -> Shifts {
        let mut bits = [0; 16];
        if !none {
            random::fill(&mut bits);
        }
        let bits = u128::from_le_bytes(bits);
        let (layout, rest) = (bits as u64, (bits >> 64) as u64);
        Shifts {
            layout,
            program: (rest & PROGRAM_SHIFT) * PAGE_SIZE,
            heap: (rest >> 32 & HEAP_SHIFT) * PAGE_SIZE,
        }
    }
}

/// Loads a program. May sleep; the caller is left as it was if it fails.
///
/// # Errors
/// Those of execve(2).
pub fn load(mut request: Request<'_>) -> Result<Loaded> {
    let mut path = copied(request.path)?;
    let (place, length) = through_scripts(&mut request, &mut path)?;
    let executed = executed_by(request.context, &place, request.gives_nothing)?;
    let running = Running::new(place.inode())?;
    let source = FileSource {
        inode: place.inode(),
        length,
    };
    let image = Image::read(&source)?;
    let shifts = Shifts::new(request.fixed_addresses && !executed.secure);
    let layout = Layout::new(shifts.layout, request.limits.stack);
    let mut space = AddressSpace::<Arm>::new(layout, request.limits)?;
    let base = image.base_for(PROGRAM_BASE + shifts.program)?;
    map_image(&mut space, &image, base, &place)?;
    space.set_heap(image.brk(base) + shifts.heap);
    let interpreter = map_interpreter(&mut space, &request, &image)?;
    let vdso = vdso::map(&mut space)?;
    let mut auxv = auxiliary_vector(&image, base, interpreter.map(|(base, _)| base), &executed)?;
    auxv.push(Auxv {
        key: AT_SYSINFO_EHDR,
        value: vdso.object,
    });
    let readable = namespace()
        .access(request.context, &place, Access::READ)
        .is_ok();
    let looked_into = looked_into_from(&executed.cred, &place, readable)?;
    let (sp, auxv) = build_stack(
        &mut space,
        &request,
        &path,
        &auxv,
        (layout.stack_top, image.executable_stack),
    )?;
    Ok(Loaded {
        memory: Memory::new(space, looked_into)?,
        entry: interpreter.map_or(image.entry + base, |(_, entry)| entry),
        sp,
        auxv,
        trampoline: vdso.sigreturn,
        executable: Executable {
            path: place,
            running,
        },
        cred: try_arc(executed.cred)?,
        secure: executed.secure,
        readable,
    })
}

/// A copy of some bytes. `ENOMEM`.
fn copied(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len())
        .map_err(|_| Errno::ENOMEM)?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// Follows `#!` lines to a program; the arguments change accordingly.
fn through_scripts(request: &mut Request<'_>, path: &mut Vec<u8>) -> Result<(Path, u64)> {
    for _ in 0..=MAX_SCRIPTS {
        let (place, length) = match request.file.take() {
            Some(file) => executable(request.context, file)?,
            None => find(request.context, path)?,
        };
        let mut head = [0; script::SCRIPT_HEAD];
        let count = place.inode().read_at(0, &mut (&mut head).into())?;
        let Some(script) = script::parse(&head[..count]) else {
            return Ok((place, length));
        };
        let mut arguments = Strings::new();
        arguments.push(script.interpreter)?;
        if let Some(argument) = script.argument {
            arguments.push(argument)?;
        }
        arguments.push(path)?;
        for argument in request.arguments.iter().skip(1) {
            arguments.push(argument)?;
        }
        request.arguments = arguments;
        path.clear();
        path.try_reserve(script.interpreter.len())
            .map_err(|_| Errno::ENOMEM)?;
        path.extend_from_slice(script.interpreter);
    }
    Err(Errno::ELOOP)
}

fn map_image(space: &mut AddressSpace<Arm>, image: &Image, base: u64, place: &Path) -> Result<()> {
    let source: Arc<dyn MapSource<Arm>> =
        try_arc(FilePages::new(place.inode().clone(), Some(place.clone()))?)?;
    for segment in &image.segments {
        let mapping = segment.mapping(base);
        let area = |range: &core::ops::Range<u64>, source| MapRequest {
            address: range.start,
            length: range.end - range.start,
            prot: mapping.prot,
            flags: MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE,
            source,
            may: Prot::all(),
        };
        if !mapping.file.is_empty() {
            let wanted = area(&mapping.file, Some((source.clone(), mapping.offset)));
            space.map(&wanted).map_err(bad_layout)?;
        }
        if !mapping.anonymous.is_empty() {
            space
                .map(&area(&mapping.anonymous, None))
                .map_err(bad_layout)?;
        }
        if !mapping.zero.is_empty() {
            let length = (mapping.zero.end - mapping.zero.start) as usize;
            space
                .place_zeros(mapping.zero.start, length)
                .map_err(bad_file)?;
        }
    }
    Ok(())
}

/// Addresses that cannot be mapped are the file's fault.
fn bad_layout(error: Errno) -> Errno {
    if error == Errno::ENOMEM {
        error
    } else {
        Errno::ENOEXEC
    }
}

fn bad_file(error: FaultError) -> Errno {
    if error == FaultError::OutOfMemory {
        Errno::ENOMEM
    } else {
        Errno::ENOEXEC
    }
}

/// Maps the dynamic linker, if the program asks for one: (base, entry).
fn map_interpreter(
    space: &mut AddressSpace<Arm>,
    request: &Request<'_>,
    image: &Image,
) -> Result<Option<(u64, u64)>> {
    let Some(path) = &image.interpreter else {
        return Ok(None);
    };
    let (place, length) = find(request.context, path)?;
    let linker = Image::read(&FileSource {
        inode: place.inode(),
        length,
    })
    .map_err(|error| {
        if error == Errno::ENOEXEC {
            Errno::ELIBBAD
        } else {
            error
        }
    })?;
    let base = linker.base_for(space.free_range(linker.room())?)?;
    map_image(space, &linker, base, &place)?;
    Ok(Some((base, linker.entry + base)))
}

fn auxiliary_vector(
    image: &Image,
    base: u64,
    interpreter: Option<u64>,
    executed: &Executed,
) -> Result<Vec<Auxv>> {
    let Executed { cred, secure } = executed;
    let user = |uid| u64::from(cred.user_namespace.shown_uid(uid));
    let group = |gid| u64::from(cred.user_namespace.shown_gid(gid));
    let entry = |key, value| Auxv { key, value };
    let entries = [
        entry(AT_PAGESZ, PAGE_SIZE),
        entry(AT_CLKTCK, 100),
        entry(AT_MINSIGSTKSZ, SIGNAL_STACK),
        entry(AT_HWCAP, crate::arch::cpu::hwcap()),
        entry(AT_PHENT, 56),
        entry(AT_PHNUM, image.program_header_count),
        entry(AT_BASE, interpreter.unwrap_or(0)),
        entry(AT_FLAGS, 0),
        entry(AT_ENTRY, image.entry + base),
        entry(AT_UID, user(cred.uid.real)),
        entry(AT_EUID, user(cred.uid.effective)),
        entry(AT_GID, group(cred.gid.real)),
        entry(AT_EGID, group(cred.gid.effective)),
        entry(AT_SECURE, u64::from(*secure)),
    ];
    let headers = image.program_headers;
    let headers = headers.map(|headers| entry(AT_PHDR, headers + base));
    let mut vector = Vec::new();
    // One more is the caller's.
    vector
        .try_reserve_exact(entries.len() + 2)
        .map_err(|_| Errno::ENOMEM)?;
    vector.extend(entries.into_iter().chain(headers));
    Ok(vector)
}

fn build_stack(
    space: &mut AddressSpace<Arm>,
    request: &Request<'_>,
    path: &[u8],
    auxv: &[Auxv],
    (top, executable): (u64, bool),
) -> Result<(u64, Vec<u8>)> {
    let mut seed = [0; 16];
    random::fill(&mut seed);
    let start = Start {
        arguments: &request.arguments,
        environment: &request.environment,
        path,
        random: seed,
        auxv,
    };
    let limit = request.limits.stack.clamp(FIRST_STACK, config::MAX_STACK);
    let image = stack::build(&start, top, limit)?;
    let size = FIRST_STACK.max((top - image.sp).next_multiple_of(PAGE_SIZE) + PAGE_SIZE);
    let execute = if executable {
        Prot::EXEC
    } else {
        Prot::empty()
    };
    space.map_stack(size, Prot::READ | Prot::WRITE | execute)?;
    space.write_bytes(image.sp, &image.bytes)?;
    space.set_strings_at(StringsAt {
        arguments: image.arguments.start,
        arguments_end: image.arguments.end,
        environment: image.environment.start,
        environment_end: image.environment.end,
    });
    let auxv = copied(&image.bytes[image.auxv])?;
    Ok((image.sp, auxv))
}
