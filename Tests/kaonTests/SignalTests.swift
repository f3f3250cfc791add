import Foundation
import Testing

/// Exit code 75 after a signal, with a checkpoint to go on from.
@Suite(.serialized) struct SignalTests {
    /// Starts a long run, waits until it trains, and sends signals.
    private func stop(
        _ run: TinyRun, ranks: Int?, _ signals: [Int32], at location: SourceLocation = #_sourceLocation
    ) throws -> KaonProcess.Outcome {
        let process = try KaonProcess(run.arguments(["training.steps=1000000"]), ranks: ranks)
        let metrics = run.directory + "/metrics.csv"
        func rows() -> Int {
            ((try? String(contentsOfFile: metrics, encoding: .utf8)) ?? "").count { $0 == "\n" }
        }
        let before = rows()
        // A run that goes on first cuts its metrics to where it stands.
        try process.wait("the first rows", at: location) {
            rows() > before + 2 && FileManager.default.fileExists(atPath: run.latest)
        }
        for signal in signals { process.send(signal) }
        return try process.outcome(at: location)
    }

    private func expectStopped(
        _ run: TinyRun, _ outcome: KaonProcess.Outcome, at location: SourceLocation = #_sourceLocation
    ) throws {
        #expect(outcome.code == 75, "\(outcome.errors)", sourceLocation: location)
        let match = try #require(
            outcome.output.firstMatch(
                of: /stopped by a signal after (\d+) of 1000000 steps\nstep (\d+): checkpoint/),
            "\(outcome.output)", sourceLocation: location)
        #expect(match.1 == match.2, sourceLocation: location)
        let target = try FileManager.default.destinationOfSymbolicLink(atPath: run.latest)
        #expect(target == "step-" + String(format: "%08d", Int(match.1)!) + ".h5", sourceLocation: location)
    }

    @Test(arguments: [[SIGUSR1], [SIGTERM], [SIGINT], [SIGTERM, SIGTERM, SIGUSR1, SIGINT]])
    func aSignalStopsARunWithACheckpoint(signals: [Int32]) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            try expectStopped(run, stop(run, ranks: nil, signals))
            // The same command goes on, and may be stopped again.
            let again = try stop(run, ranks: nil, signals)
            #expect(again.output.contains("continuing from \(run.directory)/checkpoints/step-"))
            try expectStopped(run, again)
        }
    }

    @Test func mpirunPassesTheSignalOn() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let outcome = try stop(run, ranks: 2, [SIGUSR1])
            try expectStopped(run, outcome)
            #expect(outcome.complaints == [])
        }
    }

    /// Waits until no process holds the lock of the run's directory.
    private func waitUntilFree(_ run: TinyRun) throws {
        let lock = open(run.directory + "/.lock", O_RDWR)
        defer { close(lock) }
        let deadline = ContinuousClock.now + .seconds(60)
        while flock(lock, LOCK_EX | LOCK_NB) != 0 {
            try #require(ContinuousClock.now < deadline, "a killed run holds on to its directory")
            usleep(10_000)
        }
    }

    /// A kill leaves a run that goes on.
    @Test(arguments: [nil, 2])
    func aKilledRunGoesOn(ranks: Int?) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            _ = try stop(run, ranks: ranks, [SIGKILL])
            // Under mpirun the ranks notice a moment later.
            try waitUntilFree(run)
            let step = try #require(
                FileManager.default.destinationOfSymbolicLink(atPath: run.latest).firstMatch(
                    of: /step-0*(\d+)\.h5/)?.1)
            let outcome = try kaon(run.arguments(["training.steps=\(Int(step)! + 5)"]), ranks: ranks)
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("at step \(step)\n"), "\(outcome.output)")
        }
    }
}
