//! A case: one sentence about a port, and how it is tried.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::Once,
};

use futures_util::{FutureExt as _, future::LocalBoxFuture};
use tokio::time;

use crate::{start::Site, wait::DEADLINE};

/// What the consumer relies on.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// The name of its function.
    pub(crate) name: &'static str,
    /// Panics when it does not hold.
    pub(crate) run: for<'a> fn(&'a Site) -> LocalBoxFuture<'a, ()>,
}

/// The cases of a port, each an `async fn(&Site)`.
macro_rules! cases {
    ($($name:ident,)*) => {
        /// The cases of the port, in the order of the table.
        pub(crate) const CASES: &[$crate::case::Case] = &[
            $($crate::case::Case { name: stringify!($name), run: |site| Box::pin($name(site)) },)*
        ];
    };
}
pub(crate) use cases;

thread_local! {
    static TAKEN: Cell<bool> = const { Cell::new(false) };
    static PANICKED_AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

impl Case {
    /// The name, to read.
    pub(crate) fn sentence(self) -> String {
        self.name.replace('_', " ")
    }

    /// Tries it. An error says what did not hold, and where.
    pub(crate) async fn hold(self, site: &Site) -> Result<(), String> {
        let tried = AssertUnwindSafe(time::timeout(DEADLINE, (self.run)(site))).catch_unwind().await;
        match tried {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(format!("not over after {DEADLINE:?}")),
            Err(panic) => {
                let place = PANICKED_AT.take().unwrap_or_default();
                Err(format!("{} ({place})", words(&*panic)))
            }
        }
    }
}

/// On this thread panics are results from here on, told by the suite: nothing is printed, and the place is kept.
pub(crate) fn take_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| if TAKEN.get() { keep(info) } else { print(info) }));
    });
    TAKEN.set(true);
}

/// They are printed again.
pub(crate) fn leave_panics() {
    TAKEN.set(false);
}

fn keep(info: &PanicHookInfo<'_>) {
    PANICKED_AT.set(info.location().map(ToString::to_string));
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
