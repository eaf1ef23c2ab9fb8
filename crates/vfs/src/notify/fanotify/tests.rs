use super::event::{Event, Subject};
use super::group::Group;
use super::permission::Answer;
use super::queue::{Pushed, Queue};
use super::*;
use crate::mem_fs::MemFs;
use crate::path::{MountFlags, NoSpecialNodes, Unmount};
use crate::{
    Errno, File, HeapPages, MountNamespace, OpenFile, OpenFlags, Path, PathContext, Result,
};
use paddock_charge::Account;
use paddock_sync::{Pollable, Ready, WaitQueue};
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

struct Now;

impl crate::Clock for Now {
    fn now(&self) -> crate::Timestamp {
        crate::Timestamp::default()
    }
}

thread_local! {
    /// Who runs: in other tests nobody.
    static OWN: Cell<u32> = const { Cell::new(0) };
    /// What readers have been given.
    static GIVEN: RefCell<Vec<Arc<OpenFile>>> = const { RefCell::new(Vec::new()) };
    static NAMESPACE: RefCell<Option<Arc<MountNamespace>>> = const { RefCell::new(None) };
}

struct Threads;

impl Tasks for Threads {
    fn current(&self) -> Option<Actor> {
        let own = OWN.get();
        (own != 0).then_some(Actor {
            process: own,
            thread: own + 1,
        })
    }

    fn process(&self) -> Option<Process> {
        None
    }

    fn known(&self, id: u32) -> u32 {
        id
    }

    fn wait(&self, queue: &WaitQueue, done: &dyn Fn() -> bool) -> bool {
        queue.wait_until(|| done().then_some(true))
    }

    fn open(&self, at: &Path, flags: OpenFlags) -> Result<Arc<OpenFile>> {
        let namespace = NAMESPACE.with_borrow(|it| it.clone());
        namespace.ok_or(Errno::ESRCH)?.open_unheard(at, flags)
    }

    fn install(&self, file: Arc<OpenFile>, _: bool) -> Result<i32> {
        Ok(GIVEN.with_borrow_mut(|given| {
            given.push(file);
            given.len() as i32 - 1
        }))
    }

    fn take_back(&self, _: i32) {
        GIVEN.with_borrow_mut(|given| given.pop());
    }

    fn install_process(&self, _: &Process) -> Option<Result<i32>> {
        None
    }
}

fn fs() -> Arc<MemFs> {
    MemFs::new(9, 1 << 20, 0o755, Arc::new(Now), Arc::new(HeapPages)).unwrap()
}

/// A tree with a file and a folder, used by a task of that number.
fn tree(own: u32) -> (Arc<MountNamespace>, PathContext) {
    set_tasks(&Threads);
    OWN.set(own);
    let namespace = MountNamespace::new(fs(), "none", Arc::new(NoSpecialNodes), 64).unwrap();
    let mut context = PathContext::root_at(namespace.root());
    // Other trees that go do not take the marks of these mounts along.
    namespace.number_mounts_from(u64::from(own) * 1000);
    namespace.mkdir(&context, b"m", 0o755).unwrap();
    let flags = MountFlags::empty();
    namespace
        .mount(&context, b"m", fs(), "none", flags)
        .unwrap();
    context.base = namespace.resolve(&context, b"m", true).unwrap();
    NAMESPACE.set(Some(namespace.clone()));
    namespace.mkdir(&context, b"d", 0o755).unwrap();
    touch(&namespace, &context, "d/f");
    (namespace, context)
}

fn touch(namespace: &MountNamespace, context: &PathContext, name: &str) {
    let flags = OpenFlags::CREAT;
    drop(
        namespace
            .open(context, name.as_bytes(), flags, 0o644)
            .unwrap(),
    );
}

fn group(account: &Arc<Account>, flags: u32) -> Fanotify {
    let flags = InitFlags::checked(flags, true).unwrap();
    Fanotify::new(account, flags, event_flags(0).unwrap(), true).unwrap()
}

const ADD: u32 = 1;
const REMOVE: u32 = 2;
const MOUNT: u32 = 0x10;
const FILESYSTEM: u32 = 0x100;
const FID: u32 = 0x200;
const NAMES: u32 = 0xc00;

fn mark(
    group: &Fanotify,
    (namespace, context): &(Arc<MountNamespace>, PathContext),
    flags: u32,
    mask: Mask,
    name: &str,
) -> Result<()> {
    let request = MarkRequest::new(flags, mask.bits().into())?;
    group.check(&request, true)?;
    let at = namespace.resolve(context, name.as_bytes(), true)?;
    group.mark(&at, &request)
}

/// Masks of what the task itself did, and the descriptors.
fn read(group: &Fanotify) -> Vec<(u64, i32)> {
    let mut bytes = vec![0; 1 << 16];
    let count = group
        .read(&mut 0, &mut (&mut bytes[..]).into())
        .unwrap_or(0);
    let mut rest = &bytes[..count];
    let mut all = Vec::new();
    while !rest.is_empty() {
        let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let (length, task) = (word(0), word(20));
        if task == OWN.get() {
            all.push((u64::from(word(8)), word(16) as i32));
        }
        rest = &rest[length as usize..];
    }
    all
}

fn masks(group: &Fanotify) -> Vec<u64> {
    read(group).into_iter().map(|event| event.0).collect()
}

#[test]
fn marks_of_all_kinds_tell_a_group_once() {
    let account = Account::of_user(1 << 20).unwrap();
    let tree = tree(100);
    let own = group(&account, 0);
    mark(&own, &tree, ADD, Mask::OPEN, "d/f").unwrap();
    mark(&own, &tree, ADD, Mask::OPEN | Mask::EVENT_ON_CHILD, "d").unwrap();
    mark(&own, &tree, ADD | MOUNT, Mask::CLOSE_NOWRITE, "d").unwrap();
    mark(&own, &tree, ADD | FILESYSTEM, Mask::OPEN, "d").unwrap();
    touch(&tree.0, &tree.1, "d/f");
    let all = read(&own);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].0, 0x30);
    let given = GIVEN.with_borrow(|given| given[all[0].1 as usize].clone());
    drop(given);
    GIVEN.with_borrow_mut(Vec::clear);
    assert!(masks(&own).is_empty(), "what is given is not heard of");
    for (kind, name) in [(0, "d/f"), (0, "d"), (MOUNT, "d"), (FILESYSTEM, "d")] {
        let all = Mask::EVENTS - Mask::PERMISSION - Mask::OF_NAMES;
        let all = all - Mask::ATTRIB - Mask::DELETE_SELF - Mask::MOVE_SELF;
        mark(&own, &tree, REMOVE | kind, all | Mask::EVENT_ON_CHILD, name).unwrap();
        let again = mark(&own, &tree, REMOVE | kind, Mask::OPEN, name);
        assert_eq!(again, Err(Errno::ENOENT));
    }
    drop(own);
    assert_eq!(account.bytes(), 0);
}

#[test]
fn a_filesystem_that_ends_takes_its_marks_along() {
    let account = Account::of_user(1 << 20).unwrap();
    let tree = tree(200);
    let (namespace, context) = &tree;
    let flags = MountFlags::empty();
    namespace.mount(context, b"d", fs(), "none", flags).unwrap();
    touch(namespace, context, "d/g");
    let own = group(&account, FID);
    mark(&own, &tree, ADD, Mask::OPEN, "d/g").unwrap();
    mark(&own, &tree, ADD, Mask::OPEN, ".").unwrap();
    mark(&own, &tree, ADD | MOUNT, Mask::OPEN, "d").unwrap();
    mark(&own, &tree, ADD | FILESYSTEM, Mask::ATTRIB, "d").unwrap();
    assert_eq!(own.group.marks.lock().len(), 4);
    namespace.unmount(context, b"d", Unmount::empty()).unwrap();
    assert_eq!(own.group.marks.lock().len(), 1);
    drop(own);
    assert_eq!(account.bytes(), 0);
}

#[test]
fn names_are_told_with_what_they_were_of() {
    let account = Account::of_user(1 << 20).unwrap();
    let tree = tree(300);
    let (namespace, context) = &tree;
    let own = group(&account, FID | NAMES);
    let mask = Mask::CREATE | Mask::DELETE | Mask::RENAME | Mask::DELETE_SELF;
    mark(&own, &tree, ADD | FILESYSTEM, mask, "d").unwrap();
    touch(namespace, context, "d/g");
    namespace.rename(context, b"d/g", context, b"h", 0).unwrap();
    namespace.unlink(context, b"h").unwrap();
    let expected = [0x100, 0x1000_0000, 0x400, 0x200];
    assert_eq!(masks(&own), expected);
    drop(own);
    assert_eq!(account.bytes(), 0);
}

#[test]
fn who_asks_waits_for_the_answer() {
    let account = Account::of_user(1 << 20).unwrap();
    let tree = tree(400);
    let own = Arc::new(group(&account, 4));
    mark(&own, &tree, ADD, Mask::OPEN_PERM, "d/f").unwrap();
    let open = |number: u32| {
        let (namespace, context) = (tree.0.clone(), tree.1.clone());
        std::thread::spawn(move || {
            OWN.set(number);
            let flags = OpenFlags::empty();
            namespace.open(&context, b"d/f", flags, 0).map(drop)
        })
    };
    let answer = |bits: u8| {
        while !own.ready().contains(Ready::IN) {
            std::thread::yield_now();
        }
        let mut bytes = [0; 24];
        assert_eq!(own.read(&mut 0, &mut (&mut bytes[..]).into()), Ok(24));
        let mut response = [0; 8];
        response[..4].copy_from_slice(&bytes[16..20]);
        response[4] = bits;
        let again = own.write(&mut 0, &mut (&response).into());
        assert_eq!(again, Ok(8));
        let again = own.write(&mut 0, &mut (&response).into());
        assert_eq!(again, Err(Errno::ENOENT));
    };
    let (first, wrong) = (open(401), |bits: u8| {
        let bytes = [0, 0, 0, 0, bits, 0, 0, 0];
        own.write(&mut 0, &mut (&bytes).into())
    });
    assert_eq!(wrong(3), Err(Errno::EINVAL));
    answer(1);
    assert_eq!(first.join().unwrap(), Ok(()));
    let second = open(402);
    answer(2);
    assert_eq!(second.join().unwrap(), Err(Errno::EPERM));
    let third = open(403);
    while !own.ready().contains(Ready::IN) {
        std::thread::yield_now();
    }
    drop(own);
    assert_eq!(third.join().unwrap(), Ok(()));
    GIVEN.with_borrow_mut(Vec::clear);
    assert_eq!(account.bytes(), 0);
}

#[test]
fn a_user_has_so_many_marks() {
    let account = Account::of_user(2000).unwrap();
    let tree = tree(500);
    let own = group(&account, 0);
    mark(&own, &tree, ADD, Mask::OPEN, "d/f").unwrap();
    let more = mark(&own, &tree, ADD, Mask::OPEN, "d");
    assert_eq!(more, Err(Errno::ENOMEM));
    assert_eq!(own.group.marks.lock().len(), 1);
    drop(own);
    assert_eq!(account.bytes(), 0);
}

#[test]
fn who_is_no_administrator_gets_handles_alone() {
    for flags in [0, 4, 8, FID | 0x10, FID | 0x20, FID | 0x80, FID | 0x100] {
        assert_eq!(InitFlags::checked(flags, false), Err(Errno::EPERM));
    }
    for flags in [FID, FID | 3, NAMES, FID | NAMES | 0x1000] {
        assert!(InitFlags::checked(flags, false).is_ok());
    }
}

proptest! {
    /// A queue holds at most so many events and one that tells of loss, equal ones once,
    /// and nothing is owed for what was read.
    #[test]
    fn a_queue_is_paid_for(
        most in 1_usize..6,
        steps in prop::collection::vec((0_u8..4, 0_u32..3, 0_u32..4), 0..60),
    ) {
        let account = Account::of_user(4096).unwrap();
        let mut queue = Queue::new(&account, most).unwrap();
        let empty = account.bytes();
        let tree = tree(600);
        let at = tree.0.resolve(&tree.1, b"d/f", true).unwrap();
        let mut model: Vec<(u32, Mask)> = Vec::new();
        for (what, task, bit) in steps {
            if what == 0 {
                let event = queue.take().unwrap();
                let first = (!model.is_empty()).then(|| model.remove(0));
                prop_assert_eq!(event.map(|event| (event.task, event.mask)), first);
                continue;
            }
            let mask = Mask::from_bits_retain(1 << bit);
            let mut event = Some(Event {
                mask,
                task,
                process: None,
                subject: Subject::Place(at.clone()),
                question: None,
            });
            let same = |it: &(u32, Mask)| it.0 == task && it.1 != Mask::Q_OVERFLOW;
            let expected = match model.iter().position(same) {
                _ if model.len() >= most => {
                    if !model.iter().any(|it| it.1 == Mask::Q_OVERFLOW) {
                        model.push((0, Mask::Q_OVERFLOW));
                    }
                    Pushed::Lost
                }
                Some(index) => {
                    model[index].1 |= mask;
                    Pushed::Merged
                }
                None => {
                    model.push((task, mask));
                    Pushed::Queued
                }
            };
            prop_assert_eq!(queue.push(&mut event), expected);
            prop_assert_eq!(queue.count(), model.len());
        }
        while queue.take().unwrap().is_some() {}
        prop_assert_eq!(account.bytes(), empty);
    }

    /// Only the first answer counts, and only known ones are answers.
    #[test]
    fn answers_are_known(bits: u32) {
        let known = Answer::from_bits(bits).is_ok();
        prop_assert_eq!(known, bits == 1 || bits == 2);
    }
}

/// A group is shared between threads.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Group>();
};
