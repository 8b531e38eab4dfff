//! docs/kill-points.md names every point, where it is, and the tests that pass it.

use std::{fs, path::Path};

use exportpool_consumer::kill::Point;

#[test]
fn the_table_of_kill_points_is_complete_and_names_tests_that_are_there() {
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let table = fs::read_to_string(house.join("docs/kill-points.md")).unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| line.split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    let points: Vec<_> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(points, Point::ALL.iter().map(|point| point.as_str()).collect::<Vec<_>>());
    let tests = house.join("cli/tests/processes/kills");
    let tests: String =
        fs::read_dir(tests).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    for (row, point) in rows.iter().zip(Point::ALL) {
        assert_eq!(row[1], point.place(), "{}", row[0]);
        assert!(row[2].len() > 10 && row[3].len() > 10, "{} says nothing", row[0]);
        for name in row[4].split(", ") {
            let name = name.trim_matches('`');
            assert!(tests.contains(&format!("fn {name}(")), "{}: there is no test {name}", row[0]);
        }
    }
}
