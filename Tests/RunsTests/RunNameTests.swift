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

    /// Such a folder would be another one, or none, when `config.yaml` is read again.
    @Test(arguments: ["x{y}", "lr$x", "x}", "$"])
    func namesThatReadOtherwiseAreRefused(name: String) throws {
        for (directory, path) in [("", "runs/\(name)"), ("directory: 'named/{name}-{seed}', ", "named/\(name)-7")] {
            #expect(
                failure { _ = try options("{\(directory)name: '\(name)'}") }
                    == "x.yaml:1: run.directory: becomes '\(path)', in which '{', '}' and "
                    + "'$' are not allowed; change the values of its placeholders or variables")
        }
        // Where the folder does not have the name, it may have any.
        #expect(try options("{name: '\(name)', directory: z}").run.directory == "z")
    }

    @Test func bracesOfTheFolderAreRefused() {
        #expect(failure { _ = try options("{directory: '{{name}}'}") }.contains("becomes '{x}', in which"))
    }

    @Test func variablesWithVariablesAreRefused() {
        setenv("KAON_TEST_DOLLAR", "a$HOME", 1)
        defer { unsetenv("KAON_TEST_DOLLAR") }
        #expect(
            failure { _ = try options("{directory: $KAON_TEST_DOLLAR/b}") }
                == "x.yaml:1: run.directory: the environment variable 'KAON_TEST_DOLLAR' in '$KAON_TEST_DOLLAR/b' has "
                + "'$' in its value")
    }

    /// Paths of a checkpoint are complete, whatever characters they have; those of overrides are not.
    @Test func pathsOfCheckpointsAreTakenAsTheyAre() throws {
        let yaml = """
            run: {name: 'x{y}', directory: 'named/x{y}', resume: '~/a$b.h5'}
            data: {train: ['$b/c.h5', '~/d.h5'], test: '${e}.h5'}
            tasks: {kmeans: {}}
            """
        var configuration = try Configuration(yaml: yaml, isOfCheckpoint: true)
        let options = try RunOptions(configuration, name: "x")
        #expect(options.run.directory == "named/x{y}" && options.run.resume == .checkpoint("~/a$b.h5"))
        #expect(options.data.train == ["$b/c.h5", "~/d.h5"] && options.data.test == ["${e}.h5"])
        try configuration.override("data.test=$HOME/t.h5")
        #expect(try RunOptions(configuration, name: "x").data.test == [NSHomeDirectory() + "/t.h5"])
    }

    /// In `run.resume`, as in other paths, but its words have their meaning.
    @Test func variablesOfTheCheckpointToContinue() throws {
        #expect(try options("{resume: ~/a.h5}").run.resume == .checkpoint(NSHomeDirectory() + "/a.h5"))
        #expect(try options("{resume: $HOME/a.h5}").run.resume == .checkpoint(NSHomeDirectory() + "/a.h5"))
        #expect(try options("{resume: auto}").run.resume == .auto)
        #expect(try options("{resume: never}").run.resume == .never)
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
