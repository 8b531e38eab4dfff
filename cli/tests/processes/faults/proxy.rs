//! A TCP proxy before one service. It knows just enough of HTTP to find the request whose answer it is to lose:
//! clients ask one thing at a time on a connection, so that the next bytes from the service are its answer.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection ends after so many bytes of it; with 0, the answer is lost.
    Cut(usize),
    /// It comes later.
    Late(Duration),
}

/// Which answers: to requests that hold all of these texts, in lower case, and so many of them.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) holds: &'static [&'static str],
    pub(super) lacks: &'static [&'static str],
    pub(super) fault: Fault,
    pub(super) times: usize,
}

/// A proxy; it ends with the test's process.
pub(super) struct Proxy {
    pub(super) url: String,
    met: Arc<AtomicUsize>,
}

impl Proxy {
    /// Listens before the service at `upstream`, such as `http://127.0.0.1:4566`.
    pub(super) fn start(upstream: &str, plan: Option<Plan>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let met = Arc::new(AtomicUsize::new(0));
        let (address, counter) = (upstream.strip_prefix("http://").unwrap().to_owned(), Arc::clone(&met));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (address, plan, met) = (address.clone(), plan.clone(), Arc::clone(&counter));
                thread::spawn(move || converse(client, &address, plan.as_ref(), &met));
            }
        });
        Self { url, met }
    }

    /// How many answers met the fault.
    pub(super) fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst)
    }
}

/// One connection, until either side or a fault ends it.
fn converse(client: TcpStream, address: &str, plan: Option<&Plan>, met: &AtomicUsize) {
    let Ok(service) = TcpStream::connect(address) else { return };
    let doomed = Arc::new(Mutex::new(None));
    let (mut to_client, mut from_service) = (client.try_clone().unwrap(), service.try_clone().unwrap());
    let fault = Arc::clone(&doomed);
    let answers = thread::spawn(move || pass_answers(&mut from_service, &mut to_client, &fault));
    let _ = pass_requests(client, service, plan, met, &doomed);
    let _ = answers.join();
}

fn pass_requests(
    mut client: TcpStream,
    mut service: TcpStream,
    plan: Option<&Plan>,
    met: &AtomicUsize,
    doomed: &Mutex<Option<Fault>>,
) -> io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = client.read(&mut bytes)?;
        if read == 0 {
            return service.shutdown(Shutdown::Write);
        }
        let head = String::from_utf8_lossy(&bytes[..read.min(4_096)]).to_lowercase();
        if let Some(plan) = plan.filter(|plan| plan.is_for(&head))
            && met
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n < plan.times).then_some(n + 1))
                .is_ok()
        {
            *doomed.lock().unwrap() = Some(plan.fault);
        }
        service.write_all(&bytes[..read])?;
    }
}

fn pass_answers(
    service: &mut TcpStream,
    client: &mut TcpStream,
    doomed: &Mutex<Option<Fault>>,
) -> io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = service.read(&mut bytes)?;
        if read == 0 {
            return client.shutdown(Shutdown::Write);
        }
        // `100 Continue` asks for the body, and answers nothing.
        let interim = bytes[..read].starts_with(b"HTTP/1.1 100");
        let fault = if interim { None } else { doomed.lock().unwrap().take() };
        match fault {
            Some(Fault::Cut(after)) => {
                client.write_all(&bytes[..read.min(after)])?;
                client.shutdown(Shutdown::Both)?;
                return service.shutdown(Shutdown::Both);
            }
            Some(Fault::Late(delay)) => thread::sleep(delay),
            None => {}
        }
        client.write_all(&bytes[..read])?;
    }
}

impl Plan {
    fn is_for(&self, head: &str) -> bool {
        self.holds.iter().all(|text| head.contains(text))
            && !self.lacks.iter().any(|text| head.contains(text))
    }
}
