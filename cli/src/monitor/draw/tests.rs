use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::{Buffer, Cell},
    style::Color,
};

use super::*;
use crate::monitor::{fixture, view::Presence};

fn screen(width: u16, height: u16, view: &View) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, frame.area(), view)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let line = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..buffer.area.height).map(line).map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The first cell of the first line that begins with `start`.
fn cell(buffer: &Buffer, start: &str) -> Cell {
    let line = text(buffer).lines().position(|line| line.starts_with(start)).unwrap();
    buffer[(0, u16::try_from(line).unwrap())].clone()
}

#[test]
fn sixty_columns_show_everything_below_each_other() {
    let expected = "\
exportctl monitor · http://127.0.0.1:4566           14:03:07

 Queues ────────────────────────────────────────────────────
  Queue           Visible In-Flight Delayed   Total     Rate
✗ export-jobs       2,345        40       3   2,388 ↓ 12.3/s
✓ export-jobs-dlq       0         0       0       0    = 0/s
! download-tasks      120         0       1     121  ↑ 140/s
? downloa…sks-dlq       ?         ?       ?       ?        ?
? download-tasks-dlq: nothing answers at
  http://127.0.0.1:1; start a stand-in with `exportctl aws`,
  or set AWS_ENDPOINT (or --emulator) to where SQS is

 Consumers ─────────────────────────────────────────────────
✓ 127.0.0.1:3000                                     working
██████████████████████████████░░░░░░░░░░ 6/8 slots busy
waiting 40  done 12.3/s  3,204 in all  breaker closed
loop delay p99 0.4 ms, max 3.1 ms

✗ 127.0.0.1:3001                                breaker open
░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ 0/8 slots busy
waiting 0  done -  3,204 in all  breaker open: s3 exports
loop delay p99 0.4 ms, max 3.1 ms  7 failed

- 127.0.0.1:3002                                        none
  --consumer URL shows another

↓ draining  ↑ filling  = steady  ✓ ok  ! warn from 100
✗ critical from 1,000, or any dead letter  ? unknown
q quit  p pause
4 SQS requests every 1s = 10.4 million a month
";
    assert_eq!(text(&screen(60, 30, &fixture::view())).trim_end(), expected.trim_end());
}

#[test]
fn a_hundred_and_twenty_columns_show_consumers_beside_queues() {
    let expected = "\
exportctl monitor · http://127.0.0.1:4566                                                                       14:03:07

 Queues ──────────────────────────────────────────────────────────────────────   Consumers ─────────────────────────────
  Queue                    Visible In-Flight Delayed   Total     Rate Level     ✓ 127.0.0.1:3000                 working
✗ export-jobs                2,345        40       3   2,388 ↓ 12.3/s critical  ███████████████████░░░░░░ 6/8 slots busy
✓ └ export-jobs-dlq              0         0       0       0    = 0/s ok        waiting 40  done 12.3/s  3,204 in all
! download-tasks               120         0       1     121  ↑ 140/s warn      breaker closed
? └ download-tasks-dlq           ?         ?       ?       ?        ? unknown   loop delay p99 0.4 ms, max 3.1 ms
? download-tasks-dlq: nothing answers at http://127.0.0.1:1; start a
  stand-in with `exportctl aws`, or set AWS_ENDPOINT (or --emulator) to where   ✗ 127.0.0.1:3001            breaker open
  SQS is                                                                        ░░░░░░░░░░░░░░░░░░░░░░░░░ 0/8 slots busy
                                                                                waiting 0  done -  3,204 in all
                                                                                breaker open: s3 exports
                                                                                loop delay p99 0.4 ms, max 3.1 ms
                                                                                7 failed

                                                                                - 127.0.0.1:3002                    none
                                                                                  --consumer URL shows another

↓ draining  ↑ filling  = steady  ✓ ok  ! warn from 100  ✗ critical from 1,000, or any dead letter  ? unknown
q quit  p pause  4 SQS requests every 1s = 10.4 million a month
";
    assert_eq!(text(&screen(120, 21, &fixture::view())).trim_end(), expected.trim_end());
}

#[test]
fn many_consumers_have_a_line_each_and_the_rest_is_counted() {
    let pool = || Presence::Here(Box::new(fixture::pool()));
    let consumers = (0..9).map(|n| fixture::consumer(&format!("127.0.0.1:300{n}"), pool())).collect();
    let view = View { consumers, ..fixture::view() };
    let shown = text(&screen(60, 24, &view));
    assert!(shown.contains("✓ 127.0.0.1:3000  █████░   6/8 12.3/s  waiting    40 working\n"), "{shown}");
    let lines = |shown: &str| shown.lines().filter(|line| line.starts_with("✓ 127.0.0.1:300")).count();
    assert_eq!((lines(&shown), shown.contains("… and 3 more")), (6, true), "{shown}");
    let wide = text(&screen(100, 24, &view));
    assert!(wide.contains("12.3/s  waiting    40  loop p99 0.4 ms, max 3.1 ms  working\n"), "{wide}");
    let tall = text(&screen(60, 60, &view));
    assert_eq!((lines(&tall), tall.contains("more")), (9, false), "{tall}");
}

#[test]
fn cards_stand_closer_before_they_become_lines() {
    let shown = text(&screen(60, 28, &fixture::view()));
    assert!(shown.contains("loop delay p99 0.4 ms, max 3.1 ms\n✗ 127.0.0.1:3001 "), "{shown}");
}

#[test]
fn levels_and_trends_have_colours() {
    let shown = screen(60, 30, &fixture::view());
    for (start, colour) in [
        ("✗ export-jobs", Color::Red),
        ("✓ export-jobs-dlq", Color::Green),
        ("! download-tasks", Color::Yellow),
        ("? downloa", Color::Magenta),
        ("✗ 127.0.0.1:3001", Color::Red),
    ] {
        assert_eq!(cell(&shown, start).fg, colour, "{start}");
    }
}

#[test]
fn without_colour_the_picture_has_the_same_marks_and_no_colour() {
    let plain = screen(100, 30, &View { colour: false, ..fixture::view() });
    assert_eq!(text(&plain), text(&screen(100, 30, &fixture::view())));
    let coloured = plain.content.iter().filter(|cell| (cell.fg, cell.bg) != (Color::Reset, Color::Reset));
    assert_eq!(coloured.count(), 0);
}

#[test]
fn queues_that_share_a_reason_share_a_note() {
    let names = ["export-jobs", "download-tasks"];
    let queues = names.map(|name| fixture::unread(name, fixture::unreachable())).to_vec();
    let shown = text(&screen(100, 20, &View { queues, ..fixture::view() }));
    assert_eq!(shown.matches("nothing answers").count(), 1, "{shown}");
    assert!(shown.contains("? export-jobs, download-tasks: nothing answers"), "{shown}");
}

#[test]
fn before_the_first_sample_it_says_what_it_waits_for() {
    let shown = text(&screen(60, 12, &View { queues: vec![], consumers: vec![], ..fixture::view() }));
    assert!(shown.contains("reading the queues …"), "{shown}");
}

#[test]
fn no_size_is_too_small_to_draw_on() {
    for (width, height) in [(1, 1), (2, 9), (9, 2), (30, 5), (59, 10), (116, 4), (300, 3)] {
        let shown = screen(width, height, &fixture::view());
        assert_eq!((shown.area.width, shown.area.height), (width, height));
    }
}

#[test]
fn the_help_covers_the_middle_and_names_every_key() {
    let mut terminal = Terminal::new(TestBackend::new(60, 24)).unwrap();
    terminal.draw(|frame| help(frame, frame.area())).unwrap();
    let shown = text(terminal.backend().buffer());
    for key in ["q  Esc  Ctrl-C", "p  ", "+  -", "?  "] {
        assert!(shown.contains(key), "{key}: {shown}");
    }
    assert!(shown.lines().last().unwrap().is_empty(), "{shown}");
}

#[test]
fn a_pool_of_a_cluster_has_the_second_line_as_far_as_there_is_room() {
    let view = View { pool: Some(fixture::export_pool()), ..fixture::view() };
    let shown = text(&screen(60, 30, &view));
    assert_eq!(shown.lines().nth(1), Some("asks for 6 pods; 4 there, 3 ready · ScaledOut: from 4 to 6:"));
}
