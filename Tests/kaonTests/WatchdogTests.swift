import Foundation
import Testing

/// A rank that hangs ends the job, and is named.
@Suite(.serialized) struct WatchdogTests {
    /// The processes of a run by rank.
    private func processes(of run: TinyRun) -> [Int: Int32] {
        func text(_ path: String) -> [Substring] {
            guard let data = FileManager.default.contents(atPath: path) else { return [] }
            return String(decoding: data, as: UTF8.self).split(separator: "\0")
        }
        var result: [Int: Int32] = [:]
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let process = Int32(name),
                text("/proc/\(name)/cmdline").first.map(String.init) == KaonProcess.program,
                text("/proc/\(name)/cmdline").contains(where: { $0.hasPrefix(run.folder) })
            else { continue }
            let variable = "OMPI_COMM_WORLD_RANK="
            for entry in text("/proc/\(name)/environ") where entry.hasPrefix(variable) {
                result[Int(entry.dropFirst(variable.count))!] = process
            }
        }
        return result
    }

    private func waitForSteps(_ process: KaonProcess, _ run: TinyRun) throws {
        try process.wait("the first rows") {
            ((try? String(contentsOfFile: run.directory + "/metrics.csv", encoding: .utf8)) ?? "")
                .count { $0 == "\n" } > 3
        }
    }

    @Test(arguments: [1, 0])
    func aStoppedRankIsNamedAndEndsTheJob(rank: Int) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let process = try KaonProcess(
                run.arguments(["training.steps=1000000", "parallel.watchdog.silence=3"]), ranks: 3)
            try waitForSteps(process, run)
            let ranks = processes(of: run)
            try #require(ranks.count == 3)
            // The last words of a rank may be as old as the time between two of them.
            sleep(2)
            let begin = ContinuousClock.now
            kill(try #require(ranks[rank]), SIGSTOP)
            let outcome = try process.outcome(limit: 60)
            // The limit, two looks, and what mpirun takes to end the processes.
            #expect(begin.duration(to: .now) < .seconds(20))
            #expect(outcome.code != 0)
            #expect(outcome.complaints.count == 1)
            let sentence =
                #/Error: rank (\d) on \S+: no sign of life for \d(\.\d)? s, last seen in .+ of step \d+; the job ends/#
            let match = try #require(
                outcome.complaints.first?.wholeMatch(of: sentence), "\(outcome.errors)")
            #expect(match.1 == "\(rank)")
            #expect(processes(of: run).isEmpty)
            // The saved checkpoint can be resumed.
            #expect(FileManager.default.fileExists(atPath: run.latest))
        }
    }

    /// Rank 0 waits for ever for somebody who reads its log, and the others wait for rank 0.
    @Test(arguments: [nil, 2])
    func aRankThatMakesNoProgressIsNamed(ranks: Int?) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            try FileManager.default.createDirectory(
                atPath: run.directory, withIntermediateDirectories: true)
            try #require(mkfifo(run.directory + "/kaon.log", 0o644) == 0)
            let outcome = try kaon(run.arguments(["parallel.watchdog.start_up=5"]), ranks: ranks)
            #expect(outcome.code != 0 && outcome.seconds < 30)
            #expect(outcome.complaints.count == 1)
            #expect(outcome.complaints.first?.hasPrefix("Error: rank 0 on ") == true, "\(outcome.errors)")
            #expect(
                outcome.complaints.first?.hasSuffix(
                    ": no progress for 5.0 s in the start-up; the job ends") == true, "\(outcome.errors)")
            #expect(processes(of: run).isEmpty)
        }
    }

    /// Every limit is far above what each part of a small run takes.
    @Test func aHealthyRunIsLeftAlone() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let limits = ["silence", "start_up", "reading", "computing", "summing", "validation", "saving"]
            let outcome = try kaon(
                run.arguments(["training.steps=200"] + limits.map { "parallel.watchdog.\($0)=10" }), ranks: 3)
            #expect(outcome.code == 0 && outcome.complaints == [], "\(outcome.errors)")
        }
    }

    /// A system that stops the whole job for longer than any limit, and lets it go on, is no reason to end.
    @Test func aJobThatWasStoppedAsAWholeGoesOn() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let process = try KaonProcess(
                run.arguments(["training.steps=1000000", "parallel.watchdog.silence=3"]), ranks: 2)
            try waitForSteps(process, run)
            let ranks = processes(of: run).values
            for rank in ranks { kill(rank, SIGSTOP) }
            sleep(5)
            for rank in ranks { kill(rank, SIGCONT) }
            sleep(4)
            process.send(SIGUSR1)
            let outcome = try process.outcome()
            #expect(outcome.code == 75 && outcome.complaints == [], "\(outcome.errors)")
        }
    }
}
