//! How threads begin.

use super::stack::KernelStack;
use super::user_side::UserSide;
use super::{Thread, current, exit, preempt, scheduler, switch};
use crate::arch::context::{MAX_STACK_SIZE, STACK_SIZE};
use crate::arch::{context, cpu as processor};
use crate::cpus;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicI8, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize};
use paddock_abi::{Errno, Result};
use paddock_sched::Class;
use paddock_sync::{Rank, SpinLock, try_box};

/// Starts a kernel thread. Thread context; needs memory for a stack.
///
/// # Errors
/// `ENOMEM`, or `EAGAIN` when there are [`MAX_THREADS`] threads.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<Arc<Thread>> {
    start(name, Class::System, STACK_SIZE, None, body)
}

/// As [`spawn`], for a thread of another class.
///
/// # Errors
/// As for [`spawn`].
#[cfg(feature = "test-kernel")]
pub fn spawn_as(
    class: Class,
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> Result<Arc<Thread>> {
    start(name, class, STACK_SIZE, None, body)
}

/// As [`spawn`], with a stack of [`MAX_STACK_SIZE`]: for the main loop, whose
/// key exchanges need more than an ordinary one.
///
/// # Errors
/// As for [`spawn`].
pub fn spawn_large(name: &str, body: impl FnOnce() + Send + 'static) -> Result<Arc<Thread>> {
    start(name, Class::System, MAX_STACK_SIZE, None, body)
}

/// Starts a thread of a process: `body` runs in the kernel first and enters
/// user mode at its end.
///
/// # Errors
/// As for [`spawn`].
pub fn spawn_user(
    user: impl UserSide,
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> Result<Arc<Thread>> {
    start(name, Class::User, STACK_SIZE, Some(try_box(user)?), body)
}

type Body = Box<dyn FnOnce() + Send>;

fn start(
    name: &str,
    class: Class,
    stack_size: usize,
    user: Option<Box<dyn UserSide>>,
    body: impl FnOnce() + Send + 'static,
) -> Result<Arc<Thread>> {
    let body: Body = try_box(body)?;
    let body = try_box(body)?;
    let stack = KernelStack::new(stack_size)?;
    let mut owned_name = String::new();
    owned_name
        .try_reserve(name.len())
        .map_err(|_| Errno::ENOMEM)?;
    owned_name.push_str(name);
    let argument = Box::into_raw(body);
    // SAFETY: the stack is new and nobody's.
    let sp = unsafe {
        context::prepare_stack(
            stack.top(),
            run_body as *const () as usize,
            argument.expose_provenance(),
        )
    };
    let made = scheduler::add(|id| {
        let mut thread = Thread::new(id, class);
        thread.sp = UnsafeCell::new(sp);
        thread.info.cpu = AtomicUsize::new(cpus::this_cpu());
        thread.affinity = AtomicU64::new(current().affinity().0);
        if thread.class == Class::User {
            thread.nice = AtomicI8::new(current().nice_of_new());
            thread.policy = AtomicU8::new(current().policy() as u8);
        }
        thread.name = SpinLock::new(Rank::Leaf, owned_name);
        thread.stack = Some(stack);
        if let Some(user) = &user {
            thread.set_reserve(user.reserve());
            thread.set_operators(user.is_operators());
        }
        let data = |user: &dyn UserSide| ptr::from_ref(user).cast::<()>();
        let side = user.as_deref().map_or(ptr::null(), data);
        thread.unwatched = AtomicPtr::new(side.cast_mut());
        thread.user = user;
        thread
    });
    made.inspect_err(|_| {
        // SAFETY: the thread was not made, so nobody else will take the box.
        drop(unsafe { Box::from_raw(argument) });
    })
}

/// A user thread's body never returns, so this frame must own nothing of the
/// heap while it runs. Such a body is a plain function: the box that is called
/// has no memory of its own.
extern "C" fn run_body(argument: usize) {
    take_body(argument)();
}

/// The body, out of the box that `start` made for it, which is freed here.
fn take_body(argument: usize) -> Body {
    // SAFETY: `start` made the box for this thread alone.
    *unsafe { Box::from_raw(core::ptr::with_exposed_provenance_mut::<Body>(argument)) }
}

/// First Rust code of every new thread, called by `thread_trampoline`.
#[unsafe(no_mangle)]
extern "C" fn thread_begin(entry: extern "C" fn(usize), argument: usize) -> ! {
    switch::finish();
    processor::irq_enable();
    if current().context.end_section() {
        preempt();
    }
    entry(argument);
    exit()
}
