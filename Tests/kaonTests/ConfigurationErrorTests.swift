import Foundation
import Testing

/// A wrong configuration or command line gives one message with its place.
@Suite(.serialized) struct ConfigurationErrorTests {
    @Test(arguments: [
        (
            "model.encoder.widht=8",
            "on the command line: model.encoder.widht: unknown key; did you mean 'width'?"
        ),
        (
            "training.steps=abc",
            "on the command line: training.steps: expected an integer, found the string 'abc'"
        ),
        (
            "training.steps",
            "on the command line: 'training.steps' has no '='; write key=value to set a key, ~key to "
                + "delete one"
        ),
        (
            "~tasks.kmean",
            "on the command line: tasks.kmean: no such key to delete; did you mean 'kmeans'?"
        ),
    ])
    func wrongOverridesAreNamed(override: String, message: String) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            for ranks in [nil, 2] {
                let outcome = try kaon(run.arguments([override]), ranks: ranks)
                #expect(outcome.code == 1)
                #expect(outcome.complaints == ["Error: " + message])
                #expect(outcome.output == "")
            }
            #expect(!FileManager.default.fileExists(atPath: run.directory))
        }
    }

    @Test func theLineOfTheFileIsNamed() throws {
        try withScratchFolder { folder in
            let path = folder + "/wrong.yaml"
            try "data: {train: a.h5}\ntasks: {kmeans: {}}\ntraining:\n  step: 5\n"
                .write(toFile: path, atomically: true, encoding: .utf8)
            let outcome = try kaon(["pretrain", path])
            #expect(outcome.code == 1)
            #expect(
                outcome.complaints == ["Error: \(path):4: training.step: unknown key; did you mean 'steps'?"])
        }
    }

    @Test(arguments: [nil, 2])
    func aMissingConfigurationIsNamed(ranks: Int?) throws {
        let outcome = try kaon(["pretrain", "/nowhere/x.yaml"], ranks: ranks)
        #expect(outcome.code == 1)
        #expect(outcome.complaints == ["Error: /nowhere/x.yaml: no such file"])
    }

    @Test func aBatchNeedsAJetForEveryRank() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let outcome = try kaon(run.arguments(["training.batch_size=2"]), ranks: 3)
            #expect(outcome.code == 1)
            #expect(
                outcome.complaints == [
                    "Error: training.batch_size is 2, but each of the 3 ranks needs a jet; raise it or start fewer "
                        + "ranks"
                ])
            #expect(!FileManager.default.fileExists(atPath: run.directory))
        }
    }

    @Test(arguments: [
        ["bogus"], ["pretrain"], ["pretrain", "--bogus", "x.yaml"], ["bench", "--seconds", "0"],
    ])
    func aWrongCommandLineIsToldOnce(arguments: [String]) throws {
        for ranks in [nil, 2] {
            let outcome = try kaon(arguments, ranks: ranks)
            #expect(outcome.code == 64)
            #expect(outcome.complaints.filter { $0.hasPrefix("Error: ") }.count == 1, "\(outcome.errors)")
            #expect(outcome.complaints.filter { $0.hasPrefix("Usage: kaon") }.count == 1, "\(outcome.errors)")
        }
    }

    @Test func helpAndVersion() throws {
        for ranks in [nil, 2] {
            let version = try kaon(["--version"], ranks: ranks)
            #expect(version.code == 0)
            #expect(version.output.wholeMatch(of: /\d+\.\d+\.\d+\n(\w+: .+\n){4}/) != nil, "\(version.output)")
        }
        let help = try kaon(["--help"])
        #expect(help.code == 0)
        for word in ["pretrain", "inspect", "bench", "  reference ", "mpirun"] { #expect(help.output.contains(word)) }
        let pretrain = try kaon(["pretrain", "--help"])
        #expect(pretrain.code == 0)
        // The contract that slurm/pretrain.sbatch counts on.
        #expect(pretrain.output.contains("SIGUSR1") && pretrain.output.contains("75"))
        #expect(try kaon([]).output.contains("USAGE: kaon <subcommand>"))
    }
}
