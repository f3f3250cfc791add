import Configuration
import Foundation
import Runs
import TestSupport
import Testing

/// `run.name`, and folders that are named after keys.
@Suite struct RunNameTests {
    private func options(_ run: String, date: Date = Date()) throws -> RunOptions {
        let yaml = "{seed: 7, run: \(run), data: {train: a.h5}, tasks: {kmeans: {}}}"
        return try RunOptions(Configuration(yaml: yaml, name: "x.yaml"), name: "x", date: date)
    }

    @Test func theFolderIsNamedAfterKeys() throws {
        #expect(try options("{}").run.directory == "runs/x")
        #expect(try options("{}").run.name == "x")
        #expect(try options("{name: y}").run.directory == "runs/y")
        #expect(try options("{name: y, directory: z}").run.directory == "z")
        let named = try options(#"{directory: "runs/{objective}-{seed}/{name}"}"#)
        #expect(named.run.directory == "runs/mpm_v2-7/x")
        #expect(named.resolved.contains("name: x\n  directory: runs/mpm_v2-7/x\n"))
    }

    /// The configuration of a checkpoint has the folder as it was, whatever the day on which it is read.
    @Test func theDayStays() throws {
        let day = Date(timeIntervalSince1970: 1_700_000_000)
        let dated = try options(#"{directory: "runs/{date}"}"#, date: day)
        #expect(dated.run.directory.wholeMatch(of: /runs\/2023-11-1[45]/) != nil)
        let again = try RunOptions(Configuration(yaml: dated.resolved, name: "y.yaml"), name: "y")
        #expect(again.run.directory == dated.run.directory && again.run.name == "x")
    }

    @Test func wordsThatStandForNothingAreRefused() {
        #expect(
            failure { _ = try options(#"{directory: "runs/{nmae}"}"#) }
                == "x.yaml:1: run.directory: unknown placeholder {nmae}; known are {name}, {objective}, {seed}, "
                + "{date}, {slurm_job_id}")
        #expect(
            failure { _ = try options(#"{directory: "runs/{slurm_job_id}"}"#) }
                == "x.yaml:1: run.directory: {slurm_job_id} has no value outside a Slurm job")
        #expect(failure { _ = try options("{name: ''}") } == "x.yaml:1: run.name: is empty; give the run a name")
    }
}
