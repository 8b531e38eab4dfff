//! What threads do: a thread that gets SIGPROF notes its own stack (pprof's handler).

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::SystemTime,
};

use nix::sys::{
    pthread::{Pthread, pthread_kill, pthread_self},
    signal::Signal,
};
use pprof::ProfilerGuard;

use super::unsampled::Unsampled;
use crate::cgroup;

/// A thread that can be interrupted for as long as it keeps the other half of this.
#[derive(Debug, Clone)]
pub(crate) struct Interruptible(Arc<Mutex<Option<ThreadId>>>);

/// Of pthreads: a number with one C library, a pointer with another.
type ThreadId = usize;

/// What a thread keeps while it may be interrupted, and lets go of itself.
#[derive(Debug)]
pub(crate) struct Interrupted(Interruptible);

impl Interruptible {
    /// The thread that calls this.
    pub(crate) fn this_thread() -> (Self, Interrupted) {
        introduce_this_thread();
        let this = Self(Arc::new(Mutex::new(Some(own_id()))));
        (this.clone(), Interrupted(this))
    }

    /// Makes it note its stack. `None`: it is not there any more.
    fn interrupt(&self) -> Option<ThreadId> {
        // It cannot end as long as this is held: a signal to a thread that has ended has no meaning.
        let thread = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = (*thread)?;
        pthread_kill(id as Pthread, Signal::SIGPROF).ok().map(|()| id)
    }
}

impl Drop for Interrupted {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a number or a pointer, of the size of one")]
fn own_id() -> ThreadId {
    pthread_self() as ThreadId
}

/// What the unwinder keeps of the program, the names of its functions, and noted stacks, with a margin: a profile must not
/// end a pod.
const NEEDS_BYTES: u64 = 120 << 20;

/// Whether stacks that need so much do not end a pod.
///
/// # Errors
/// The cgroup has no room for them.
pub(super) fn has_room(needs_bytes: u64) -> Result<(), Unsampled> {
    let too_little = cgroup::room().filter(|room| *room < needs_bytes);
    too_little.map_or(Ok(()), |room_bytes| Err(Unsampled::NoRoom { needs_bytes, room_bytes }))
}

/// Stacks that threads note. There is one at a time in a process.
pub(super) struct Sampler {
    hertz: i32,
    /// `None` while another takes its place, and once none can.
    guard: Option<ProfilerGuard<'static>>,
}

/// A stack, and how often it was noted.
#[derive(Debug, Clone)]
pub(super) struct Noted {
    pub(super) thread: ThreadId,
    pub(super) count: u32,
    /// When it was first noted, by the system's clock.
    pub(super) at: SystemTime,
    /// Where it was, the innermost function first.
    pub(super) addresses: Vec<usize>,
    /// As the C library has it.
    name: String,
}

impl Sampler {
    /// Each thread that is on a CPU notes its stack so often a second.
    ///
    /// # Errors
    /// Why not: there is no memory for it, or somebody else samples.
    pub(super) fn begin(hertz: i32) -> Result<Self, Unsampled> {
        has_room(NEEDS_BYTES)?;
        let guard = ProfilerGuard::new(hertz)?;
        // The first signal makes the unwinder read the program, and allocates: where no thread can be in the allocator's
        // locks but this one, which is not.
        let _ = pthread_kill(pthread_self(), Signal::SIGPROF);
        Ok(Self { hertz, guard: Some(guard) })
    }

    /// A thread notes its stack now. `None`: it is not there any more.
    pub(super) fn interrupt(thread: &Interruptible) -> Option<ThreadId> {
        thread.interrupt()
    }

    /// What was noted since the last time, but by the thread that asks.
    ///
    /// # Errors
    /// Nothing is sampled any more.
    pub(super) fn take(&mut self) -> Result<Vec<Noted>, Unsampled> {
        let guard = self.guard.take().ok_or(pprof::Error::NotRunning)?;
        let noted = guard.report().build_unresolved();
        // What is noted is kept until the end.
        drop(guard);
        self.guard = Some(ProfilerGuard::new(self.hertz)?);
        let noted = noted?.data.into_iter().map(|(stack, count)| Noted {
            thread: usize::try_from(stack.thread_id).unwrap_or_default(),
            count: u32::try_from(count).unwrap_or(0),
            at: stack.sample_timestamp,
            addresses: stack.frames.iter().map(|frame| frame.ip).collect(),
            name: String::from_utf8_lossy(&stack.thread_name[..stack.thread_name_length]).into_owned(),
        });
        Ok(noted.filter(|noted| noted.thread != own_id()).collect())
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler").field("hertz", &self.hertz).finish_non_exhaustive()
    }
}

impl Noted {
    /// Its thread's name.
    pub(super) fn thread_name(&self) -> String {
        let known = THREADS.lock().unwrap_or_else(PoisonError::into_inner).get(&self.thread).cloned();
        known.unwrap_or_else(|| self.name.clone())
    }
}

/// Names of threads, which not every C library tells a thread of another.
static THREADS: Mutex<BTreeMap<ThreadId, String>> = Mutex::new(BTreeMap::new());

/// The thread that calls this is known by its name from now on.
pub(crate) fn introduce_this_thread() {
    if let Some(name) = thread::current().name() {
        THREADS.lock().unwrap_or_else(PoisonError::into_inner).insert(own_id(), name.to_owned());
    }
}
