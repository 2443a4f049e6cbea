//! The jobs of the simulated cluster: what runs on a host at a time, and how hard.
//!
//! The time of a group of hosts is cut into windows; each window holds one job, some are left free, and a job leaves a
//! pause at both ends. Invariant: everything follows from the group and the time, so that hosts of one job agree and a
//! second run of the simulator tells the same story.

use super::noise::{below, mix, smooth, unit};

/// What a job does to a host at full load, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Intensity {
    /// The part of the hardware threads that is used.
    pub threads: f64,
    /// Time of a used thread in user mode.
    pub user: f64,
    /// Time of a used thread waiting for files.
    pub wait: f64,
    /// Floating-point operations.
    pub flops: f64,
    /// Operations that are vectorised.
    pub vector: f64,
    /// Memory bandwidth.
    pub bandwidth: f64,
    /// Memory.
    pub memory: f64,
    /// Accelerators.
    pub accelerator: f64,
    /// Network.
    pub network: f64,
    /// Files.
    pub files: f64,
}

/// What a host does at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Activity {
    /// What the job does at full load; nothing without a job.
    pub intensity: Intensity,
    /// How much of that it does now, from 0 to 1: jobs begin and end slowly, and compute in turns.
    pub load: f64,
}

/// What a host has moved since it booted, in seconds of full load.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Moved {
    /// Over the network.
    pub network_secs: f64,
    /// To and from files.
    pub files_secs: f64,
    /// Since the host booted.
    pub uptime_secs: f64,
}

/// The jobs of a group of hosts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    seed: u64,
    window_secs: i64,
    offset_secs: i64,
}

/// A job: when it runs, and what it does.
#[derive(Debug, Clone, Copy)]
struct Job {
    start_secs: i64,
    end_secs: i64,
    turn_secs: f64,
    intensity: Intensity,
}

impl Schedule {
    /// The schedule of the group that a host belongs to.
    pub(super) fn of_host(cluster_seed: u64, host: u32) -> Self {
        let seed = below(cluster_seed, i64::from(host / GROUP_HOSTS));
        let window_secs = WINDOW_SECS_MIN + (mix(seed) % WINDOW_SECS_SPREAD).cast_signed();
        let offset_secs = (mix(seed ^ 1) % window_secs.cast_unsigned()).cast_signed();
        Schedule { seed, window_secs, offset_secs }
    }

    /// What the hosts do at a time.
    pub(super) fn at(&self, secs: i64) -> Activity {
        match self.job((secs + self.offset_secs).div_euclid(self.window_secs)) {
            Some(job) if (job.start_secs..job.end_secs).contains(&secs) => {
                let ramp = |distance: i64| (distance as f64 / RAMP_SECS).min(1.0);
                let turn = (secs - job.start_secs) as f64 / job.turn_secs;
                let turns = 0.93 + 0.07 * (turn * std::f64::consts::TAU).cos();
                let drift = 1.0 - 0.05 * (1.0 + smooth(self.seed, secs, 300)) / 2.0;
                let load = ramp(secs - job.start_secs).min(ramp(job.end_secs - secs)) * turns * drift;
                Activity { intensity: job.intensity, load }
            }
            _ => Activity { intensity: Intensity::default(), load: 0.0 },
        }
    }

    /// What a host has moved until a time. Hosts boot once a week, so counters begin anew then.
    pub(super) fn moved(&self, secs: i64) -> Moved {
        let boot_secs = secs.div_euclid(WEEK_SECS) * WEEK_SECS;
        let mut moved = Moved { uptime_secs: (secs - boot_secs) as f64, ..Moved::default() };
        let window_of = |secs: i64| (secs + self.offset_secs).div_euclid(self.window_secs);
        for window in window_of(boot_secs)..=window_of(secs) {
            let Some(job) = self.job(window) else { continue };
            let run_secs = (secs.min(job.end_secs) - job.start_secs.max(boot_secs)).max(0) as f64;
            // The integral of 1 + sin/2, so that rates wave and counters never fall.
            let turn = job.turn_secs / std::f64::consts::TAU;
            let waved_secs = run_secs + 0.5 * turn * (1.0 - (run_secs / turn).cos());
            moved.network_secs += job.intensity.network * waved_secs;
            moved.files_secs += job.intensity.files * waved_secs;
        }
        moved
    }

    /// The job of a window, unless it is free.
    fn job(&self, window: i64) -> Option<Job> {
        let seed = below(self.seed, window);
        let chance = |which: u64| unit(mix(seed ^ which));
        if chance(1) < FREE_WINDOWS {
            return None;
        }
        let window_start = window * self.window_secs - self.offset_secs;
        let part = |fraction: f64| (fraction * self.window_secs as f64) as i64;
        Some(Job {
            start_secs: window_start + part(0.02 + 0.15 * chance(2)),
            end_secs: window_start + part(0.85 + 0.13 * chance(3)),
            turn_secs: 240.0 + 600.0 * chance(4),
            // Below 1, so the index is below the length.
            intensity: KINDS[(chance(5) * KINDS.len() as f64) as usize],
        })
    }
}

/// Hosts that always run the same job.
const GROUP_HOSTS: u32 = 2;
const WINDOW_SECS_MIN: i64 = 1800;
const WINDOW_SECS_SPREAD: u64 = 3600;
/// The part of all windows without a job.
const FREE_WINDOWS: f64 = 0.12;
const RAMP_SECS: f64 = 60.0;
const WEEK_SECS: i64 = 7 * 86_400;

/// What jobs do: dense algebra, a stencil, training on accelerators, a solver bound by files, a serial program.
const KINDS: [Intensity; 5] = [
    Intensity {
        threads: 1.0,
        user: 0.98,
        wait: 0.0,
        flops: 0.82,
        vector: 0.94,
        bandwidth: 0.3,
        memory: 0.35,
        accelerator: 0.0,
        network: 0.12,
        files: 0.03,
    },
    Intensity {
        threads: 1.0,
        user: 0.96,
        wait: 0.01,
        flops: 0.14,
        vector: 0.55,
        bandwidth: 0.92,
        memory: 0.7,
        accelerator: 0.0,
        network: 0.4,
        files: 0.05,
    },
    Intensity {
        threads: 0.5,
        user: 0.45,
        wait: 0.02,
        flops: 0.06,
        vector: 0.3,
        bandwidth: 0.2,
        memory: 0.5,
        accelerator: 0.93,
        network: 0.55,
        files: 0.25,
    },
    Intensity {
        threads: 1.0,
        user: 0.4,
        wait: 0.3,
        flops: 0.04,
        vector: 0.2,
        bandwidth: 0.15,
        memory: 0.45,
        accelerator: 0.0,
        network: 0.7,
        files: 0.9,
    },
    Intensity {
        threads: 0.0625,
        user: 0.99,
        wait: 0.0,
        flops: 0.3,
        vector: 0.1,
        bandwidth: 0.05,
        memory: 0.12,
        accelerator: 0.0,
        network: 0.01,
        files: 0.02,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_790_000_000;

    #[test]
    fn jobs_start_and_end_and_leave_pauses() {
        for host in 0..8 {
            let schedule = Schedule::of_host(1, host);
            let loads: Vec<f64> = (0..86_400).step_by(10).map(|at| schedule.at(START + at).load).collect();
            assert!(loads.iter().all(|load| (0.0..=1.0).contains(load)), "host {host}");
            let idle = loads.iter().filter(|load| **load == 0.0).count() as f64 / loads.len() as f64;
            assert!((0.05..0.7).contains(&idle), "host {host} is idle {idle} of the day");
            let starts = loads.windows(2).filter(|pair| pair[0] == 0.0 && pair[1] > 0.0).count();
            assert!(starts >= 5, "host {host} starts {starts} jobs a day");
        }
    }

    #[test]
    fn a_group_runs_the_same_job_and_another_one_does_not() {
        let day = |host: u32| -> Vec<Activity> {
            (0..86_400).step_by(60).map(|at| Schedule::of_host(1, host).at(START + at)).collect()
        };
        assert_eq!(day(0), day(1));
        assert_ne!(day(0), day(2));
    }

    #[test]
    fn counters_only_fall_at_a_boot() {
        let schedule = Schedule::of_host(1, 0);
        let mut falls = 0;
        let mut last = schedule.moved(START);
        for at in (10..2 * WEEK_SECS).step_by(600) {
            let now = schedule.moved(START + at);
            if now.uptime_secs < last.uptime_secs {
                falls += 1;
            } else {
                assert!(now.network_secs >= last.network_secs && now.files_secs >= last.files_secs, "at {at}");
            }
            last = now;
        }
        assert_eq!(falls, 2);
    }
}
