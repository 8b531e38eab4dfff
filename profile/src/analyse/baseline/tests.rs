use super::*;
use crate::{
    analyse::zone::Zone,
    record::{LoopMoment, Moment, Operation, Sample, Samples, Stack, Step, Wave, fixture},
};

/// Chance, the same each time.
struct Noise(u64);

impl Noise {
    /// Evenly from 0 to 1.
    fn even(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 32).unwrap()) / f64::from(u32::MAX)
    }

    /// Around 0, with a standard deviation of 1: nearly normal.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.even()).sum::<f64>() - 6.0
    }
}

/// Noise that stays for half a second: as much as it was in a moment, 0.82 is in the next.
#[derive(Default)]
struct Drift(f64);

impl Drift {
    fn next(&mut self, noise: &mut Noise) -> f64 {
        const STAYS: f64 = 0.82;
        self.0 = STAYS * self.0 + (1.0 - STAYS * STAYS).sqrt() * noise.normal();
        self.0
    }
}

/// A consumer, and what is wrong with it: 1 is nothing.
#[derive(Clone, Copy)]
struct Consumer {
    seconds: u32,
    slower: f64,
    later: f64,
    more_memory: f64,
}

const HEALTHY: Consumer = Consumer { seconds: 40, slower: 1.0, later: 1.0, more_memory: 1.0 };

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "made of a few digits, above 0")]
fn whole(value: f64) -> u64 {
    value as u64
}

impl Consumer {
    /// Sixty tasks a second, of 3 ms CPU time each, and everything varies: the machine from one to the other as well.
    fn moments(self, noise: &mut Noise) -> Vec<Moment> {
        let machine = (0.02 * noise.normal()).exp() / self.slower;
        let (mut rate, mut cpu, mut late, mut memory) =
            (Drift::default(), Drift::default(), Drift::default(), Drift::default());
        let mut settled = 0.0;
        let moment = |tenth: u32| {
            let done = 6.0 * machine * (0.2 * rate.next(noise)).exp();
            settled += done;
            let each = 3_000.0 / machine * (0.1 * cpu.next(noise)).exp();
            let loops_late = 2_000.0 * self.later * (0.4 * late.next(noise)).exp();
            let mut a_loop = |name: &str| {
                let late_micros: Vec<u32> = (0..5)
                    .map(|_| u32::try_from(whole(loops_late * (0.3 * noise.normal()).exp())).unwrap())
                    .collect();
                let away_micros = late_micros.iter().max().map_or(0, |most| u64::from(*most) / 2);
                LoopMoment { name: name.to_owned(), late_micros, away_micros, ..LoopMoment::default() }
            };
            let loops = ["main", "worker-0", "worker-1"].map(&mut a_loop).into();
            let mebibytes = self.more_memory * (20.0 + memory.next(noise));
            Moment {
                at_micros: u64::from(tenth) * 100_000,
                loops,
                cpu_micros: whole(done * each),
                rss_bytes: whole((mebibytes + 30.0) * 1_048_576.0),
                allocated_bytes: whole(mebibytes * 1_048_576.0),
                busy: 2,
                settled: whole(settled),
                ..Moment::default()
            }
        };
        (1..=self.seconds * 10).map(moment).collect()
    }

    fn recorded(self, tool: Tool, noise: &mut Noise) -> Recorded {
        Recorded { moments: self.moments(noise), ..Recorded::of(fixture::began(tool)) }
    }

    fn baseline(self, noise: &mut Noise) -> Baseline {
        Baseline::of(&self.recorded(Tool::Doctor, noise), settings())
    }
}

fn settings() -> BTreeMap<String, String> {
    [("jobs".to_owned(), "100".to_owned())].into()
}

fn since(before: Consumer, now: Consumer, seed: u64) -> Comparison {
    let mut noise = Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    compare(&before.baseline(&mut noise), &now.baseline(&mut noise)).unwrap()
}

fn outcome(of: &Comparison, quantity: &Quantity) -> Outcome {
    of.shifts.iter().find(|shift| shift.quantity == *quantity).unwrap().outcome
}

/// Of so many comparisons those that are so.
fn count(of: u64, before: Consumer, now: Consumer, is: impl Fn(&Comparison) -> bool) -> usize {
    (0..of).filter(|seed| is(&since(before, now, *seed))).count()
}

fn differs(of: &Comparison) -> bool {
    of.shifts.iter().any(|shift| matches!(shift.outcome, Outcome::Worse | Outcome::Better))
}

#[test]
fn two_healthy_profiles_rarely_differ() {
    let differing = count(200, HEALTHY, HEALTHY, differs);
    assert!(differing < 4, "{differing} of 200");
}

#[test]
fn short_healthy_profiles_rarely_differ() {
    let short = Consumer { seconds: 10, ..HEALTHY };
    let differing = count(200, short, short, differs);
    assert!(differing < 4, "{differing} of 200");
}

#[test]
fn a_consumer_that_takes_a_third_longer_is_found() {
    let minute = Consumer { seconds: 60, ..HEALTHY };
    let is_found = |of: &Comparison| {
        of.verdict() == Zone::Red
            && outcome(of, &Quantity::Throughput) == Outcome::Worse
            && outcome(of, &Quantity::CpuPerTask) == Outcome::Worse
    };
    let found = count(60, minute, Consumer { slower: 1.3, ..minute }, is_found);
    assert!(found >= 59, "{found} of 60");
}

#[test]
fn a_consumer_that_takes_a_little_longer_is_not_called_worse() {
    let slower = Consumer { slower: 1.03, ..HEALTHY };
    let found = count(60, HEALTHY, slower, |of| of.verdict() == Zone::Red);
    assert!(found < 2, "{found} of 60");
}

#[test]
fn what_is_worse_is_told_from_what_is_better_by_its_direction() {
    let better = since(Consumer { slower: 1.4, ..HEALTHY }, HEALTHY, 1);
    assert_eq!((better.verdict(), outcome(&better, &Quantity::Throughput)), (Zone::Green, Outcome::Better));
    let late = since(HEALTHY, Consumer { later: 3.0, ..HEALTHY }, 2);
    assert_eq!(late.verdict(), Zone::Red);
    for quantity in [Quantity::MainDelay, Quantity::MainAway, Quantity::WorkerDelay] {
        assert_eq!(outcome(&late, &quantity), Outcome::Worse, "{quantity:?}");
    }
    assert_eq!(outcome(&late, &Quantity::Throughput), Outcome::Same);
    let large = since(HEALTHY, Consumer { more_memory: 2.0, ..HEALTHY }, 3);
    assert_eq!(outcome(&large, &Quantity::AllocatedFloor), Outcome::Worse);
    assert_eq!(outcome(&large, &Quantity::ResidentPeak), Outcome::Worse);
    assert_eq!(large.shifts[0].outcome, Outcome::Worse, "the worst first");
}

#[test]
fn a_delay_that_nobody_notices_is_no_change_however_sure_it_is() {
    let quick = Consumer { later: 0.01, ..HEALTHY };
    let late = since(quick, Consumer { later: 0.1, ..HEALTHY }, 4);
    let main = late.shifts.iter().find(|shift| shift.quantity == Quantity::MainDelay).unwrap();
    assert!(main.surprise.unwrap() < 1e-6 && main.outcome == Outcome::Same, "{main:?}");
}

#[test]
fn of_a_few_windows_nothing_is_told() {
    let short = since(HEALTHY, Consumer { seconds: 3, slower: 3.0, ..HEALTHY }, 5);
    assert_eq!((short.verdict(), outcome(&short, &Quantity::Throughput)), (Zone::Yellow, Outcome::TooFew));
    let throughput = short.shifts.iter().find(|shift| shift.quantity == Quantity::Throughput).unwrap();
    let [before, now] = throughput.windows;
    assert!(before > 50 && now > 0 && now < 8, "{throughput:?}");
    assert!(short.table().contains(&format!("too few to tell ({before} and {now} windows)")));
    let began = Recorded::of(fixture::began(Tool::Doctor));
    let nothing = Baseline::of(&began, settings());
    assert_eq!((nothing.measured.len(), compare(&nothing, &nothing).unwrap().verdict()), (0, Zone::Yellow));
}

#[test]
fn a_baseline_is_small_and_is_read_as_it_was_written() {
    let long = Consumer { seconds: 600, ..HEALTHY }.baseline(&mut Noise(6));
    let json = serde_json::to_string(&long).unwrap();
    assert!(json.len() < 10_000 && long.measured.len() == 8, "{}", json.len());
    assert_eq!(Baseline::read(&json).unwrap(), long);
    assert_eq!(
        (long.machine, long.version.as_str()),
        (Machine { cpus: 2, os: "linux".to_owned(), processor: "x86_64, of a test".to_owned() }, "1.2.3")
    );
}

#[test]
fn one_of_another_version_is_refused_by_its_name() {
    let mut baseline = HEALTHY.baseline(&mut Noise(7));
    (baseline.made_by, baseline.schema) = ("9.8.7".to_owned(), 42);
    let json = serde_json::to_string(&baseline).unwrap();
    let error = Baseline::read(&json).unwrap_err().to_string();
    assert!(error.contains("version 9.8.7 with schema 42") && error.contains("make it again"), "{error}");
    let error = compare(&HEALTHY.baseline(&mut Noise(7)), &baseline).unwrap_err().to_string();
    assert!(error.contains("version 9.8.7 with schema 42") && error.contains("make it again"), "{error}");
    let damaged = Baseline::read(r#"{"schema":1,"madeBy":"1.0.0","tool":"x"}"#).unwrap_err().to_string();
    assert!(damaged.contains("version 1.0.0, and is damaged"), "{damaged}");
    for nonsense in ["", "[]", "{}", "null", &json[..json.len() / 2]] {
        assert!(Baseline::read(nonsense).unwrap_err().to_string().contains("no baseline"), "{nonsense}");
    }
}

#[test]
fn profiles_of_two_tools_are_not_compared() {
    let doctor = HEALTHY.baseline(&mut Noise(8));
    let flame = Baseline { tool: Tool::Flame, ..doctor.clone() };
    assert_eq!(
        compare(&flame, &doctor),
        Err(Incomparable::OtherTool { before: Tool::Flame, now: Tool::Doctor })
    );
}

#[test]
fn another_machine_and_other_settings_are_warned_of() {
    let before = HEALTHY.baseline(&mut Noise(9));
    assert_eq!(compare(&before, &before).unwrap().warnings, Vec::<String>::new());
    let mut now = before.clone();
    now.machine.cpus = 8;
    now.settings.insert("WORKER_POOL_SIZE".to_owned(), "4".to_owned());
    now.settings.remove("jobs");
    let warnings = compare(&before, &now).unwrap().warnings;
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].ends_with(": CPUs 2, now 8"), "{warnings:?}");
    assert!(warnings[1].ends_with(": WORKER_POOL_SIZE 2, now 4; jobs 100, now not set"), "{warnings:?}");
}

#[test]
fn what_is_worse_on_another_machine_is_no_regression() {
    let before = HEALTHY.baseline(&mut Noise(10));
    let mut slow = before.clone();
    for measured in slow.measured.iter_mut().filter(|measured| measured.quantity == Quantity::Throughput) {
        measured.values.iter_mut().for_each(|value| *value /= 3.0);
    }
    let told = |slow: &Baseline| {
        let compared = compare(&before, slow).unwrap();
        (compared.verdict(), compared.zone_of(compared.shifts[0].outcome))
    };
    assert_eq!(told(&slow), (Zone::Red, Some(Zone::Red)));
    slow.machine.processor.push_str(", of another model");
    assert_eq!(told(&slow), (Zone::Yellow, Some(Zone::Yellow)), "nor is what it is told by");
}

/// A profile in which each task is stored in so many milliseconds, and each fifth fails at once.
fn bubble(millis: u64, noise: &mut Noise) -> Baseline {
    let recorded = HEALTHY.recorded(Tool::Bubble, noise);
    let operation = |at: u64| {
        let from_micros = at * 16_000;
        let failed = at.is_multiple_of(5);
        let took = if failed {
            1
        } else {
            whole(1e3 * f64::from(u32::try_from(millis).unwrap()) * (0.2 * noise.normal()).exp())
        };
        Operation {
            message: at,
            task: Some(0),
            step: Step::Store,
            from_micros,
            to_micros: from_micros + took,
            failed,
        }
    };
    let operations = (1..2_500).map(operation).collect();
    Baseline::of(&Recorded { operations, ..recorded }, settings())
}

#[test]
fn a_step_that_takes_longer_is_named() {
    let mut noise = Noise(10);
    let compared = compare(&bubble(20, &mut noise), &bubble(30, &mut noise)).unwrap();
    assert_eq!(outcome(&compared, &Quantity::StepMedian(Step::Store)), Outcome::Worse);
    assert_eq!(outcome(&compared, &Quantity::StepTail(Step::Store)), Outcome::Worse);
    let store =
        compared.shifts.iter().find(|shift| shift.quantity == Quantity::StepMedian(Step::Store)).unwrap();
    assert!(
        (store.before.unwrap() - 20.0).abs() < 1.0 && (store.now.unwrap() - 30.0).abs() < 1.5,
        "{store:?}"
    );
    let alike = compare(&bubble(20, &mut noise), &bubble(20, &mut noise)).unwrap();
    assert_eq!(alike.verdict(), Zone::Green);
    assert!(!compared.shifts.iter().any(|shift| shift.quantity == Quantity::MainDelay), "it is the doctor's");
}

/// A profile whose samples are of two functions, the first with a share.
fn flame(share: f64, noise: &mut Noise) -> Baseline {
    let consumer = if share > 0.5 { Consumer { slower: 1.5, ..HEALTHY } } else { HEALTHY };
    let recorded = consumer.recorded(Tool::Flame, noise);
    let stack = |(id, name): (u32, &str)| Stack { id, frames: vec![name.to_owned(), "main".to_owned()] };
    let mut sample =
        || Sample { thread: "worker-0".to_owned(), stack: u32::from(noise.even() > share), count: 1 };
    let samples = (1..40).map(|second| Samples {
        at_micros: second * 1_000_000,
        hertz: 99,
        samples: (0..30).map(|_| sample()).collect(),
    });
    let samples = samples.collect();
    let stacks = (0..).zip(["a::digest", "a::copy"]).map(stack).collect();
    Baseline::of(&Recorded { samples, stacks, ..recorded }, settings())
}

#[test]
fn a_function_that_takes_more_of_each_task_is_named() {
    let mut noise = Noise(11);
    let (before, now) = (flame(0.2, &mut noise), flame(0.6, &mut noise));
    let compared = compare(&before, &now).unwrap();
    assert_eq!(outcome(&compared, &Quantity::Function("a::digest".to_owned())), Outcome::Worse);
    assert_eq!(outcome(&compared, &Quantity::Function("a::copy".to_owned())), Outcome::Better);
    let alike = compare(&before, &flame(0.2, &mut noise)).unwrap();
    assert!(!alike.shifts.iter().any(|shift| matches!(shift.quantity, Quantity::Function(_))), "{alike:?}");
    let json = serde_json::to_string(&before).unwrap();
    assert_eq!(Baseline::read(&json).unwrap(), before);
    assert!(before.flame.unwrap().threads.is_empty());
}

/// Twelve waves of which each leaves so many MiB.
fn heap(leaves: f64, noise: &mut Noise) -> Baseline {
    let mut recorded = HEALTHY.recorded(Tool::Heap, noise);
    let wave = |at: u64, jobs| Wave { at_micros: at * 100_000, jobs };
    recorded.waves = (0..12).flat_map(|at| [wave(30 * at, 50), wave(30 * at + 20, 0)]).collect();
    for moment in &mut recorded.moments {
        let at = moment.at_micros / 100_000;
        let left = leaves * f64::from(u32::try_from(at / 30).unwrap());
        moment.allocated_bytes = whole(1_048_576.0 * (20.0 + left + 0.1 * noise.normal()));
        if at % 30 < 20 {
            moment.allocated_bytes += 10 << 20;
        }
    }
    Baseline::of(&recorded, settings())
}

#[test]
fn memory_that_stays_after_each_wave_is_found() {
    let mut noise = Noise(12);
    let healthy = heap(0.0, &mut noise);
    let leak = compare(&healthy, &heap(2.0, &mut noise)).unwrap();
    assert_eq!(outcome(&leak, &Quantity::WaveGrowth), Outcome::Worse);
    let growth = leak.shifts.iter().find(|shift| shift.quantity == Quantity::WaveGrowth).unwrap();
    assert!((growth.now.unwrap() - 2.0).abs() < 0.1 && growth.windows == [10, 10], "{growth:?}");
    let alike = compare(&healthy, &heap(0.0, &mut noise)).unwrap();
    assert_eq!(alike.verdict(), Zone::Green, "{}", alike.table());
}

#[test]
fn what_was_not_measured_before_is_told_and_is_no_change() {
    let mut noise = Noise(13);
    let (mut before, now) = (HEALTHY.baseline(&mut noise), HEALTHY.baseline(&mut noise));
    before.measured.retain(|measured| measured.quantity != Quantity::AllocatedFloor);
    let compared = compare(&before, &now).unwrap();
    let floor = compared.shifts.iter().find(|shift| shift.quantity == Quantity::AllocatedFloor).unwrap();
    assert_eq!((floor.before, floor.outcome, floor.change_percent), (None, Outcome::TooFew, None));
    assert_eq!(compared.verdict(), Zone::Green);
}

#[test]
fn a_table_is_aligned_and_begins_with_what_to_beware_of() {
    let mut compared = since(HEALTHY, Consumer { slower: 1.5, ..HEALTHY }, 14);
    compared.warnings.push("other machine".to_owned());
    let table = compared.table();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!((lines[0], lines.len()), ("warning: other machine", 2 + compared.shifts.len()));
    let place = lines[1].find("change").unwrap() + "change".len();
    assert!(lines[2].ends_with("%  worse"), "{table}");
    let percent = |line: &&&str| line.chars().nth(place - 1) == Some('%');
    assert_eq!(lines.iter().skip(2).filter(percent).count(), compared.shifts.len(), "{table}");
}

#[test]
fn a_comparison_is_for_machines_as_well() {
    let json = serde_json::to_value(since(HEALTHY, HEALTHY, 15)).unwrap();
    assert_eq!((&json["tool"], &json["verdict"]), (&"doctor".into(), &"green".into()));
    assert!(json["shifts"].as_array().unwrap().iter().all(|shift| shift["before"].is_f64()));
}
