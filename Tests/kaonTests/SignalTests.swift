import Foundation
import Testing

/// Exit code 75 after a signal, with a checkpoint to go on from.
@Suite(.serialized) struct SignalTests {
    /// Starts a long run, waits until it trains, and sends signals.
    private func stop(
        _ run: TinyRun, ranks: Int?, _ signals: [Int32], at location: SourceLocation = #_sourceLocation
    ) throws -> KaonProcess.Outcome {
        // The tests may be started with nohup.
        let process = try KaonProcess(
            run.arguments(["training.steps=1000000"]), ranks: ranks, wrapper: ["env", "--default-signal=HUP"])
        let metrics = run.directory + "/metrics.csv"
        func rows() -> Int {
            ((try? String(contentsOfFile: metrics, encoding: .utf8)) ?? "").count { $0 == "\n" }
        }
        let before = rows()
        // A resumed run first truncates its metrics to its step.
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

    @Test(arguments: [[SIGUSR1], [SIGTERM], [SIGINT], [SIGHUP], [SIGTERM, SIGHUP, SIGUSR1, SIGINT]])
    func aSignalStopsARunWithACheckpoint(signals: [Int32]) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            try expectStopped(run, stop(run, ranks: nil, signals))
            // The same command resumes, and can be stopped again.
            let again = try stop(run, ranks: nil, signals)
            #expect(again.output.contains("continuing from \(run.directory)/checkpoints/step-"))
            try expectStopped(run, again)
        }
    }

    /// nohup is for runs that outlive their terminal.
    @Test func nohupIsRespected() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let process = try KaonProcess(run.arguments(["training.steps=1000000"]), wrapper: ["nohup"])
            try process.wait("a checkpoint") { FileManager.default.fileExists(atPath: run.latest) }
            process.send(SIGHUP)
            sleep(1)
            #expect(process.isRunning)
            process.send(SIGTERM)
            let outcome = try process.outcome()
            try expectStopped(run, outcome)
        }
    }

    /// Signals that come while the last checkpoint is written change nothing.
    @Test func signalsDuringTheSaveDoNoHarm() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let process = try KaonProcess(run.arguments(["training.steps=1000000"]))
            try process.wait("a checkpoint") { FileManager.default.fileExists(atPath: run.latest) }
            try process.wait("the end of kaon") {
                for signal in [SIGTERM, SIGINT, SIGUSR1] { process.send(signal) }
                return !process.isRunning
            }
            let outcome = try process.outcome()
            try expectStopped(run, outcome)
            let step = try #require(outcome.output.firstMatch(of: /stopped by a signal after (\d+) of/)).1
            let again = try kaon(run.arguments(["training.steps=\(Int(step)! + 1)"]))
            #expect(again.code == 0 && again.output.contains("at step \(step)\n"), "\(again.errors)")
        }
    }

    /// The end of the time is as good as a signal, and leaves room for what comes after it.
    @Test(arguments: [nil, 2])
    func theTimeLimitStopsARun(ranks: Int?) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let arguments = [
                "training.steps=1000000", "training.log_interval=1000", "training.checkpoint_interval=1000",
            ]
            let outcome = try kaon(run.arguments(arguments + ["run.time_limit=4s"]), ranks: ranks)
            #expect(outcome.code == 75, "\(outcome.errors)")
            #expect(outcome.output.contains(/stopped by run\.time_limit after \d+ of/), "\(outcome.output)")
            #expect(outcome.seconds < 30)
            // Slurm's end, with its margin of half a minute.
            let end = "SLURM_JOB_END_TIME=\(Int(Date().timeIntervalSince1970) + 34)"
            let again = try kaon(run.arguments(arguments), ranks: ranks, wrapper: ["env", end])
            #expect(again.code == 75, "\(again.errors)")
            #expect(again.output.contains(/stopped by the end of the Slurm job after \d+ of/), "\(again.output)")
        }
    }

    /// A job that is too short for anything still gets a step on each time.
    @Test func aStepIsDoneHoweverShortTheTime() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            for step in 1...2 {
                let outcome = try kaon(run.arguments(["run.time_limit=0.01"]))
                #expect(outcome.code == 75)
                #expect(outcome.output.contains("stopped by run.time_limit after \(step) of 6 steps\n"))
            }
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

    /// A killed run can be resumed.
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
