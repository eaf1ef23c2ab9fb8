//! The table of files: what each tells, and what writing it does (cgroups(7),
//! and Linux's Documentation/admin-guide/cgroup-v2.rst).

use super::file::{Context, check_procs};
use super::text::Text;
use crate::controllers::Controllers;
use crate::cpu::CpuUse;
use crate::group::Group;
use crate::limit::Limit;
use crate::memory::{Events, parse_frames};
use crate::news::News;
use crate::pids::PIDS_MAX;
use crate::tree::{Node, Tree};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::{Errno, Result};
use paddock_frames::{FRAME_SIZE, Kind};

/// The highest depth and number of descendants that can be set.
const INT_MAX: u64 = i32::MAX as u64;

/// A place in [`CONTROLS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Index(pub u8);

type Show = fn(&Context<'_>, &mut Text<'_>) -> Result<()>;
type Write = fn(&Context<'_>, &str) -> Result<()>;
type NewsOf = fn(&Group) -> &News;

/// A file.
pub(crate) struct Control {
    pub name: &'static str,
    /// Permission bits.
    pub mode: u32,
    in_root: bool,
    /// With which controller it is there; with any, if it is empty.
    of: Controllers,
    pub show: Option<Show>,
    pub write: Option<Write>,
    /// What is new in it, if anybody can wait for that.
    pub news: Option<NewsOf>,
}

impl Control {
    const fn told(name: &'static str, show: Show) -> Control {
        Control {
            name,
            mode: 0o444,
            in_root: false,
            of: Controllers::empty(),
            show: Some(show),
            write: None,
            news: None,
        }
    }

    const fn set(name: &'static str, show: Show, write: Write) -> Control {
        Control {
            mode: 0o644,
            write: Some(write),
            ..Control::told(name, show)
        }
    }

    const fn everywhere(self) -> Control {
        Control {
            in_root: true,
            ..self
        }
    }

    const fn of(self, of: Controllers) -> Control {
        Control { of, ..self }
    }

    const fn with_news(self, news: NewsOf) -> Control {
        Control {
            news: Some(news),
            ..self
        }
    }

    /// Whether a group has it.
    pub fn is_there(&self, is_root: bool, enabled: Controllers) -> bool {
        (self.in_root || !is_root) && enabled.contains(self.of)
    }
}

/// `cgroup.procs`.
pub(super) const PROCS: Index = Index(0);
const EVENTS: Index = Index(1);
const PIDS_EVENTS: Index = Index(2);
const PIDS_EVENTS_LOCAL: Index = Index(3);
const MEMORY_EVENTS: Index = Index(4);
const MEMORY_EVENTS_LOCAL: Index = Index(5);

/// All files.
pub(crate) const CONTROLS: &[Control] = &[
    Control::set("cgroup.procs", show_procs, write_procs).everywhere(),
    Control::told("cgroup.events", show_events).with_news(|group| &group.events),
    Control::told("pids.events", |context, text| {
        let hits = context.group.pids.hits.load(Relaxed);
        text.line(format_args!("max {hits}"))
    })
    .of(Controllers::PIDS)
    .with_news(|group| &group.pids.news),
    Control::told("pids.events.local", |context, text| {
        let hits = context.group.pids.own_hits.load(Relaxed);
        text.line(format_args!("max {hits}"))
    })
    .of(Controllers::PIDS)
    .with_news(|group| &group.pids.own_news),
    Control::told("memory.events", |context, text| {
        show_memory_events(&context.group.memory.events, text)
    })
    .of(Controllers::MEMORY)
    .with_news(|group| &group.memory.events.news),
    Control::told("memory.events.local", |context, text| {
        show_memory_events(&context.group.memory.own_events, text)
    })
    .of(Controllers::MEMORY)
    .with_news(|group| &group.memory.own_events.news),
    Control::told("cgroup.controllers", |context, text| {
        let own = context.shared.hierarchy.controllers(context.group)?;
        text.line(format_args!("{own}"))
    })
    .everywhere(),
    Control::set(
        "cgroup.subtree_control",
        |context, text| {
            let given = look(context, |_, node| node.subtree_control)?;
            text.line(format_args!("{given}"))
        },
        |context, text| {
            let (on, off) = Controllers::parse_change(text)?;
            context.shared.hierarchy.control(context.group, on, off)
        },
    )
    .everywhere(),
    Control::told("cgroup.threads", show_threads).everywhere(),
    Control::set("cgroup.type", show_type, write_type),
    Control::told("cgroup.stat", show_stat).everywhere(),
    Control::set(
        "cgroup.max.depth",
        |context, text| {
            let limit = look(context, |_, node| node.max_depth)?;
            text.line(format_args!("{limit}"))
        },
        |context, text| {
            let limit = count(text)?;
            context.shared.hierarchy.set_max_depth(context.group, limit)
        },
    )
    .everywhere(),
    Control::set(
        "cgroup.max.descendants",
        |context, text| {
            let limit = look(context, |_, node| node.max_descendants)?;
            text.line(format_args!("{limit}"))
        },
        |context, text| {
            let limit = count(text)?;
            let hierarchy = &context.shared.hierarchy;
            hierarchy.set_max_descendants(context.group, limit)
        },
    )
    .everywhere(),
    Control::set(
        "cgroup.freeze",
        |context, text| {
            let freeze = look(context, |_, node| node.freeze)?;
            text.line(format_args!("{}", u8::from(freeze)))
        },
        write_freeze,
    ),
    Control {
        mode: 0o200,
        show: None,
        ..Control::set("cgroup.kill", |_, _| Ok(()), write_kill)
    },
    Control::told("cpu.stat", show_cpu).everywhere(),
    Control::told("memory.current", |context, text| {
        bytes(text, context.group.memory().current)
    })
    .of(Controllers::MEMORY),
    Control::told("memory.peak", |context, text| {
        bytes(text, context.group.memory().peak)
    })
    .of(Controllers::MEMORY),
    Control::set(
        "memory.max",
        |context, text| bytes(text, context.group.memory().max),
        |context, text| {
            context.group.memory.set_max(parse_frames(text)?);
            context.shared.system.shrink(context.group)
        },
    )
    .of(Controllers::MEMORY),
    Control::set(
        "memory.oom.group",
        |context, text| {
            let whole = context.group.memory.oom_group.load(Relaxed);
            text.line(format_args!("{}", u8::from(whole)))
        },
        |context, text| {
            let whole = match integer(text)? {
                number @ 0..=1 => number == 1,
                _ => return Err(Errno::EINVAL),
            };
            context.group.memory.oom_group.store(whole, Relaxed);
            Ok(())
        },
    )
    .of(Controllers::MEMORY),
    Control::told("memory.stat", show_memory_stat).of(Controllers::MEMORY),
    Control::told("pids.current", |context, text| {
        number(text, &context.group.pids.current)
    })
    .of(Controllers::PIDS),
    Control::told("pids.peak", |context, text| {
        number(text, &context.group.pids.peak)
    })
    .of(Controllers::PIDS),
    Control::set(
        "pids.max",
        |context, text| {
            let limit = Limit(context.group.pids.max.load(Relaxed));
            text.line(format_args!("{limit}"))
        },
        |context, text| {
            let limit = Limit::parse(text, PIDS_MAX)?;
            context.group.pids.max.store(limit.0, Relaxed);
            Ok(())
        },
    )
    .of(Controllers::PIDS),
];

const _: () = {
    assert!(CONTROLS.len() < super::dir::INODES as usize);
    assert!(matches!(
        CONTROLS[PROCS.0 as usize].name.as_bytes(),
        b"cgroup.procs"
    ));
    assert!(matches!(
        CONTROLS[EVENTS.0 as usize].name.as_bytes(),
        b"cgroup.events"
    ));
    assert!(matches!(
        CONTROLS[PIDS_EVENTS.0 as usize].name.as_bytes(),
        b"pids.events"
    ));
    let local = CONTROLS[PIDS_EVENTS_LOCAL.0 as usize].name.as_bytes();
    assert!(matches!(local, b"pids.events.local"));
    let memory = CONTROLS[MEMORY_EVENTS.0 as usize].name.as_bytes();
    assert!(matches!(memory, b"memory.events"));
    let local = CONTROLS[MEMORY_EVENTS_LOCAL.0 as usize].name.as_bytes();
    assert!(matches!(local, b"memory.events.local"));
};

/// All that there can be news of in a group, and the files that tell them.
pub(crate) fn news(group: &Group) -> [(Index, &News); 5] {
    [
        (EVENTS, &group.events),
        (PIDS_EVENTS, &group.pids.news),
        (PIDS_EVENTS_LOCAL, &group.pids.own_news),
        (MEMORY_EVENTS, &group.memory.events.news),
        (MEMORY_EVENTS_LOCAL, &group.memory.own_events.news),
    ]
}

fn look<T>(context: &Context<'_>, look: impl FnOnce(&Tree, &Node) -> T) -> Result<T> {
    context.shared.hierarchy.look(context.group, look)
}

fn number(text: &mut Text<'_>, value: &AtomicU64) -> Result<()> {
    text.line(format_args!("{}", value.load(Relaxed)))
}

/// Frames in bytes, or that there is no limit.
fn bytes(text: &mut Text<'_>, frames: u64) -> Result<()> {
    let bytes = frames.saturating_mul(FRAME_SIZE);
    text.line(format_args!("{}", Limit(bytes)))
}

/// There is neither `memory.low` nor `memory.high`: nothing is told of them.
fn show_memory_events(events: &Events, text: &mut Text<'_>) -> Result<()> {
    let mut all = events.all();
    all.try_for_each(|(name, count)| text.line(format_args!("{name} {count}")))
}

fn show_memory_stat(context: &Context<'_>, text: &mut Text<'_>) -> Result<()> {
    let kinds = context.group.memory().kinds;
    let [anonymous, shared, tables] =
        [Kind::Anonymous, Kind::Shared, Kind::Tables].map(|kind| kinds[kind as usize] * FRAME_SIZE);
    for (name, bytes) in [
        ("anon", anonymous),
        ("file", shared),
        ("kernel", tables),
        ("pagetables", tables),
        ("shmem", shared),
    ] {
        text.line(format_args!("{name} {bytes}"))?;
    }
    Ok(())
}

/// `EINVAL` for what is no number, `ERANGE` for a negative one.
fn count(text: &str) -> Result<Limit> {
    match text.parse::<i64>() {
        Ok(..0) => Err(Errno::ERANGE),
        _ => Limit::parse(text, INT_MAX),
    }
}

/// A number: `EINVAL` for anything else.
fn integer(text: &str) -> Result<i32> {
    text.parse().map_err(|_| Errno::EINVAL)
}

fn show_procs(context: &Context<'_>, text: &mut Text<'_>) -> Result<()> {
    for pid in context.shared.hierarchy.members(context.group)? {
        let known = context.shared.system.known(pid);
        text.line(format_args!("{known}"))?;
    }
    Ok(())
}

fn write_procs(context: &Context<'_>, text: &str) -> Result<()> {
    let pid = u32::try_from(integer(text)?).map_err(|_| Errno::EINVAL)?;
    let to = context.group;
    let may =
        |from: &Arc<Group>| check_procs(context.shared, context.cred, from.common_ancestor(to));
    context.shared.system.move_process(pid, to, &may)
}

fn show_threads(context: &Context<'_>, text: &mut Text<'_>) -> Result<()> {
    let mut result = Ok(());
    for pid in context.shared.hierarchy.members(context.group)? {
        context.shared.system.for_each_thread(pid, &mut |tid| {
            if result.is_ok() {
                let known = context.shared.system.known(tid);
                result = text.line(format_args!("{known}"));
            }
        });
    }
    result
}

fn show_events(context: &Context<'_>, text: &mut Text<'_>) -> Result<()> {
    let told = |_: &Tree, node: &Node| (node.is_populated(), node.is_frozen());
    let (populated, frozen) = look(context, told)?;
    text.line(format_args!("populated {}", u8::from(populated)))?;
    text.line(format_args!("frozen {}", u8::from(frozen)))
}

fn show_type(context: &Context<'_>, text: &mut Text<'_>) -> Result<()> {
    let kind = look(context, |tree, node| tree.kind(node.group.id()))??;
    text.line(format_args!("{kind}"))
}

/// Groups for threads are not supported: `EOPNOTSUPP`, as where Linux cannot
/// have one.
fn write_type(_: &Context<'_>, text: &str) -> Result<()> {
    Err(match text {
        "threaded" => Errno::EOPNOTSUPP,
        _ => Errno::EINVAL,
    })
}

fn show_stat(context: &Context<'_>, text: &mut Text<'_>) -> Result<()> {
    let descendants = look(context, |_, node| node.descendants)?;
    text.line(format_args!("nr_descendants {descendants}"))?;
    let dying = context.group.dying();
    text.line(format_args!("nr_dying_descendants {dying}"))
}

fn write_freeze(context: &Context<'_>, text: &str) -> Result<()> {
    let freeze = match integer(text)? {
        0 => false,
        1 => true,
        _ => return Err(Errno::ERANGE),
    };
    let hierarchy = &context.shared.hierarchy;
    if !hierarchy.set_freeze(context.group, freeze)? {
        return Ok(());
    }
    let told = context.shared.system.freeze(context.group);
    if told.is_err() {
        let _ = hierarchy.set_freeze(context.group, !freeze);
        let _ = context.shared.system.freeze(context.group);
        return told;
    }
    hierarchy.for_each_group(context.group, |group| group.nodes.tell(group))
}

fn write_kill(context: &Context<'_>, text: &str) -> Result<()> {
    match integer(text)? {
        1 => context.shared.system.kill(context.group),
        _ => Err(Errno::ERANGE),
    }
}

fn show_cpu(context: &Context<'_>, text: &mut Text<'_>) -> Result<()> {
    let hierarchy = &context.shared.hierarchy;
    let mut used = CpuUse::default();
    let mut pids = alloc::vec::Vec::new();
    pids.try_reserve(hierarchy.processes(context.group) + 8)
        .map_err(|_| Errno::ENOMEM)?;
    hierarchy.for_each_process(context.group, |pid| {
        if pids.len() < pids.capacity() {
            pids.push(pid);
        }
    });
    hierarchy.for_each_group(context.group, |group| used = used + group.cpu.get())?;
    for pid in pids {
        used = used + context.shared.system.cpu_used(pid);
    }
    let used = context.group.cpu.show(used);
    let (user, system) = (used.user / 1000, used.system / 1000);
    text.line(format_args!("usage_usec {}", user + system))?;
    text.line(format_args!("user_usec {user}"))?;
    text.line(format_args!("system_usec {system}"))
}
