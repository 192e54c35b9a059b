//! Simulations: what they show, and that a broken promise is found.

use std::path::Path;

use chrono::{DateTime, Utc};
use snapbox::{assert_data_eq, file};
use snapkeep::cloud::files::Files;
use snapkeep::config::{Config, load, parse};
use snapkeep::domain::inventory::{
    AttachedVolume, Instance, InstanceState, Inventory, RegionInventory, Volume,
};
use snapkeep::domain::region::Region;
use snapkeep::domain::tags::Tags;
use snapkeep::report::simulation::{Promise, Simulation, compare, page, text};
use snapkeep::report::{ExitCode, json};
use snapkeep::run::observe_saved;
use snapkeep::run::simulate::{CHANGE_PERCENT, Cadence, Scenario, outage, simulate};

const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

fn t(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// All instances of both regions, by what else is said.
fn config(rules: &str) -> Config {
    let text = format!(
        "version = 1\n[[policy]]\nname = 'servers'\nregions = ['eu-west-1', 'us-east-1']\n\
         select = {{ resource = 'instance' }}\n{rules}\n"
    );
    parse(&[("test.toml".to_owned(), text)]).unwrap_or_else(|problems| panic!("{problems}"))
}

/// An account with one instance of 100 GiB in each region, and no point yet.
fn account() -> Inventory {
    let mut inventory = Inventory { account: Some("123456789012".into()), ..Inventory::default() };
    for (n, region) in (1..).zip(REGIONS) {
        let volume_id = format!("vol-{n:08x}").parse().unwrap();
        let created_at = Some(t("2026-01-01T00:00:00Z"));
        let device: std::sync::Arc<str> = "/dev/xvda".into();
        let volumes =
            vec![AttachedVolume { device: device.clone(), volume_id, attached_at: created_at }];
        let instance = Instance {
            id: format!("i-{n:08x}").parse().unwrap(),
            owner_id: inventory.account.clone(),
            state: InstanceState::Running,
            root_device: Some(device),
            is_instance_store: false,
            image_id: None,
            launched_at: created_at,
            volumes,
            tags: Tags::default(),
        };
        let volume = Volume {
            id: volume_id,
            state: "in-use".into(),
            volume_type: "gp3".into(),
            size_gib: 100,
            created_at,
            tags: Tags::default(),
        };
        let found = RegionInventory {
            instances: vec![instance],
            volumes: vec![volume],
            ..RegionInventory::default()
        };
        inventory.regions.insert(region.parse().unwrap(), found);
    }
    inventory
}

/// Friday, five minutes after three.
fn scenario(length: &str) -> Scenario {
    Scenario {
        from: t("2026-11-20T03:05:00Z"),
        length: length.parse().unwrap(),
        cadence: Cadence::Serve,
        fail_rate: 0.0,
        seed: 1,
        outages: Vec::new(),
        change_percent: CHANGE_PERCENT,
    }
}

async fn play(rules: &str, scenario: &Scenario) -> Simulation {
    simulate(&config(rules), "test.toml", &account(), scenario, &()).await
}

/// Returns what was not kept, and where.
fn broken(simulation: &Simulation) -> Vec<(&Promise, Option<&str>, usize)> {
    let broken = simulation.broken.iter();
    broken.map(|b| (&b.promise, b.region.as_ref().map(Region::as_str), b.n)).collect()
}

fn as_json(today: &Simulation, against: Option<&Simulation>) -> String {
    let mut bytes = Vec::new();
    json::write_simulation(&mut bytes, today, against, &today.codes()).unwrap();
    String::from_utf8(bytes).unwrap()
}

const DAILY: &str =
    "schedule = '0 3 * * *'\nretention = { daily = '14 days', monthly = '7 months' }";

#[tokio::test]
async fn what_runs_as_it_should_keeps_every_promise() {
    let simulation = play(DAILY, &scenario("3 months")).await;
    assert_eq!(broken(&simulation), []);
    assert_eq!(simulation.codes(), [ExitCode::Done]);
    let [eu, us] = &simulation.places[..] else { panic!("{:?}", simulation.places) };
    assert_eq!((&*eu.policy, eu.region.as_str(), eu.n_sources), ("servers", "eu-west-1", 1));
    assert_eq!(us.region.as_str(), "us-east-1");
    assert_eq!(eu.tiers, ["daily", "monthly"]);
    let labels: Vec<&str> = simulation.stretches.iter().map(|s| s.label.as_str()).collect();
    assert_eq!(labels, ["start", "2026-11", "2026-12", "2027-01", "2027-02"]);
    let rows: Vec<_> =
        eu.rows.iter().map(|row| (row.n_points, row.by_tier.clone(), row.n_other)).collect();
    let expected = [
        (0, vec![0, 0], 0),
        // 20 to 30 November; the first stands for its month.
        (11, vec![11, 1], 0),
        // 18 to 31 December are newer than 14 days; 1 December and 20 November.
        (16, vec![14, 2], 0),
        (17, vec![14, 3], 0),
        (18, vec![14, 4], 0),
    ];
    assert_eq!(rows, expected);
    let gap = eu.largest_gap.as_ref().unwrap();
    assert_eq!((gap.length().num_hours(), gap.is_open), (24, false));
}

#[tokio::test]
async fn sizes_and_costs_are_what_the_snapshots_that_are_there_make() {
    let rules = "schedule = '0 3 * * *'\nretention = { daily = 3 }\n\
        [regions.'eu-west-1']\nsnapshot_gib_month = 0.1";
    let scenario = Scenario { change_percent: 10.0, ..scenario("10 days") };
    let simulation = play(rules, &scenario).await;
    // The oldest whole, two with what changed in a day; of the first day five minutes less.
    let row = simulation.places[0].rows.last().unwrap();
    assert!((row.gib - 120.0).abs() < 0.1, "{}", row.gib);
    let row = &simulation.places[0].rows[5];
    // One day of November's thirty, at a tenth a GiB.
    assert!((row.gib_months - 120.0 / 30.0).abs() < 0.01, "{}", row.gib_months);
    assert!((row.cost - 0.4).abs() < 0.01, "{}", row.cost);
    // us-east-1 has the published price.
    assert!((simulation.places[1].rows[5].cost - 0.2).abs() < 0.01);
}

#[tokio::test]
async fn an_outage_across_a_weekly_slot_leaves_a_week_without_a_point() {
    let rules = "schedule = '0 3 * * sun'\nretention = { weekly = '8 weeks' }";
    let calm = play(rules, &scenario("8 weeks")).await;
    assert_eq!(broken(&calm), []);
    let outages = vec![outage("us-east-1:2026-12-05..2026-12-07T12:00:00Z").unwrap()];
    let stormy = play(rules, &Scenario { outages, ..scenario("8 weeks") }).await;
    let weekly = Promise::Period { tier: "weekly" };
    // The point that is caught up on Monday is of the week after.
    let us = Some("us-east-1");
    assert_eq!(broken(&stormy), [(&Promise::Protected, us, 1), (&weekly, us, 1)]);
    assert_eq!(stormy.codes(), [ExitCode::Failed]);
    let period = &stormy.broken[1];
    assert_eq!(period.first, t("2026-12-06T03:00:00Z"));
    assert_eq!(period.example.as_deref(), Some("i-00000002"));
    let unprotected = &stormy.broken[0];
    assert_eq!(unprotected.first, t("2026-12-06T09:00:00Z"));
    assert!(t("2026-12-07T12:00:00Z") < unprotected.last.unwrap());
    assert_eq!(stormy.places[0].largest_gap, calm.places[0].largest_gap);
    let gap = stormy.places[1].largest_gap.as_ref().unwrap();
    assert_eq!(gap.from, t("2026-11-29T03:00:00Z"));
    assert!(8 <= gap.length().num_days(), "{gap:?}");
}

#[tokio::test]
async fn what_is_down_at_the_end_is_unprotected_at_the_end() {
    let outages = vec![outage("us-east-1:2026-11-25..2027-01-01").unwrap()];
    let simulation = play(DAILY, &Scenario { outages, ..scenario("10 days") }).await;
    let protected = simulation.broken.iter().find(|b| b.promise == Promise::Protected).unwrap();
    assert_eq!((protected.first, protected.last), (t("2026-11-25T09:00:00Z"), None));
    let gap = simulation.places[1].largest_gap.as_ref().unwrap();
    assert!(gap.is_open && gap.to == simulation.until, "{gap:?}");
}

#[tokio::test]
async fn a_window_that_is_too_short_for_its_schedule_keeps_nothing_at_times() {
    let rules = "schedule = '0 3 * * sun'\nretention = { daily = '3 days', weekly = '8 weeks' }";
    let simulation = play(rules, &scenario("4 weeks")).await;
    let window = Promise::Window { tier: "daily", window: "3 days".to_owned() };
    // Thrice between two Sundays, after the point of the beginning, and before the end.
    let n = simulation.broken.first().map_or(0, |broken| broken.n);
    assert_eq!(
        broken(&simulation),
        [(&window, Some("eu-west-1"), n), (&window, Some("us-east-1"), n)]
    );
    assert!(3 <= n, "{n}");
    assert!(simulation.broken[0].text().starts_with("`daily = 3 days` keeps nothing at times"));
}

#[tokio::test]
async fn a_timer_that_is_too_rare_for_the_schedule_leaves_days_out() {
    let cadence = "2 days".parse().unwrap();
    let simulation = play(DAILY, &Scenario { cadence, ..scenario("10 days") }).await;
    let daily = Promise::Period { tier: "daily" };
    let missed: Vec<_> = simulation.broken.iter().filter(|b| b.promise == daily).collect();
    assert_eq!(missed.iter().map(|b| (b.n, b.n_sources)).collect::<Vec<_>>(), [(5, 1), (5, 1)]);
}

#[tokio::test]
async fn deletions_that_a_limit_withholds_are_told() {
    let rules = "schedule = '0 3 * * *'\nretention = { daily = 3 }\nlimits = { max_deletes = 0 }";
    let simulation = play(rules, &scenario("10 days")).await;
    let places: Vec<_> =
        broken(&simulation).into_iter().map(|(p, region, _)| (p, region)).collect();
    assert_eq!(
        places,
        [(&Promise::Limits, Some("eu-west-1")), (&Promise::Limits, Some("us-east-1"))]
    );
    assert_eq!(simulation.places[0].rows.last().unwrap().n_points, 11);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_bytes_and_another_one_does_not() {
    let stormy = Scenario { fail_rate: 0.1, seed: 7, ..scenario("2 months") };
    let first = play(DAILY, &stormy).await;
    assert!(!first.trouble.faults.is_empty());
    let again = play(DAILY, &stormy).await;
    assert_eq!(as_json(&first, None), as_json(&again, None));
    assert_eq!(page::render(&first, None), page::render(&again, None));
    let other = play(DAILY, &Scenario { seed: 8, ..stormy }).await;
    assert_ne!(first.trouble.faults, other.trouble.faults);
}

#[tokio::test]
async fn another_configuration_shows_what_it_would_change() {
    let before = play(DAILY, &scenario("2 months")).await;
    // The newest 14 days, and the firsts of three months.
    let rules = "schedule = '0 3 * * *'\nretention = { daily = '3 days' }";
    let after = play(rules, &scenario("2 months")).await;
    let pairs = compare::pairs(&before, &after);
    assert_eq!(pairs.len(), 2);
    let rows: Vec<_> = pairs[0].rows(before.stretches.len()).collect();
    let [today, other] = rows.last().unwrap();
    assert_eq!((today.n_points, other.n_points), (17, 3));
    assert!(other.gib < today.gib && after.cost() < before.cost());
    let text = compare::render(&before, &after);
    assert!(text.contains("cost of 2 months: "), "{text}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let regions = REGIONS.map(|region| region.parse().unwrap());
    let check = |rules: &str, scenario: Scenario| {
        scenario.check(&[&config(rules)], &regions).map_err(|err| err.to_string())
    };
    let unscheduled = "retention = { daily = 3 }";
    assert_eq!(check(DAILY, scenario("1 year")), Ok(()));
    assert_eq!(
        check(unscheduled, scenario("1 year")).unwrap_err(),
        "policy `servers` has no `schedule`, so nobody knows when it makes points; say when cycles \
         begin with --every, such as `--every \"1 day\"`"
    );
    let cadence = "1 day".parse().unwrap();
    assert_eq!(check(unscheduled, Scenario { cadence, ..scenario("1 year") }), Ok(()));
    let outages = vec![outage("us-west-2:2026-12-01..2026-12-02").unwrap()];
    assert_eq!(
        check(DAILY, Scenario { outages, ..scenario("1 year") }).unwrap_err(),
        "no policy applies in us-west-2, and none copies to it; there is eu-west-1, us-east-1"
    );
}

/// Images, encryption and copies, of an account that is saved among the scenes.
async fn two_regions() -> Simulation {
    let scenes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenes");
    let config = load(&scenes.join("two-regions.toml")).unwrap();
    let inventory = observe_saved(&Files::open(&scenes.join("two-regions")).unwrap(), &config);
    let outages = vec![outage("eu-west-3:2026-11-23..2026-11-25").unwrap()];
    let from = t("2026-11-20T03:10:00Z");
    let scenario = Scenario { from, outages, ..scenario("8 days") };
    simulate(&config, "two-regions.toml", &inventory, &scenario, &()).await
}

#[tokio::test]
async fn images_and_copies_as_text_json_and_page() {
    let simulation = two_regions().await;
    assert_data_eq!(text::render(&simulation), file!["../simulate/two-regions.txt"].raw());
    assert_data_eq!(as_json(&simulation, None), file!["../simulate/two-regions.json"].raw());
    // One tag a line, so that a difference can be read.
    let page = page::render(&simulation, None).replace("><", ">\n<");
    assert_data_eq!(page, file!["../simulate/two-regions.html"].raw());
}

#[tokio::test]
async fn two_configurations_as_text_and_page() {
    let before = play(DAILY, &scenario("1 month")).await;
    let only_eu = DAILY.replace("'14 days'", "'3 days'")
        + "\n[policy.override.'us-east-1']\n\
        schedule = '0 9 * * *'\nretention = { daily = '14 days', monthly = '7 months' }";
    let after = play(&only_eu, &scenario("1 month")).await;
    assert_data_eq!(compare::render(&before, &after), file!["../simulate/against.txt"].raw());
    let page = page::render(&before, Some(&after)).replace("><", ">\n<");
    assert_data_eq!(page, file!["../simulate/against.html"].raw());
}

#[tokio::test]
async fn texts_fit_eighty_columns() {
    let simulation = two_regions().await;
    let rules = DAILY.replace("daily = '14 days'", "daily = '3 days'");
    let against = compare::render(
        &play(DAILY, &scenario("1 month")).await,
        &play(&rules, &scenario("1 month")).await,
    );
    for line in text::render(&simulation).lines().chain(against.lines()) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn the_published_schema_changes_knowingly() {
    let text = serde_json::to_string_pretty(&json::simulation_schema()).unwrap() + "\n";
    assert_data_eq!(text, file!["../schema/simulation.json"].raw());
}
