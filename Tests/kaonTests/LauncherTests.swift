import Foundation
import Testing

/// A kill of `mpirun` leaves nothing running, whatever the ranks do and whoever started them.
@Suite(.serialized) struct LauncherTests {
    private func children(of process: Int32) -> [Int32] {
        let text = try? String(contentsOfFile: "/proc/\(process)/task/\(process)/children", encoding: .utf8)
        return (text ?? "").split(separator: " ").compactMap { Int32($0) }
    }

    /// True if a process is running or stopped; an ended one may remain as a zombie.
    private func runs(_ process: Int32) -> Bool {
        let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        return status.map { !$0.contains(/State:\s*Z/) } ?? false
    }

    @Test(arguments: [[], ["bash", "-c", "\"$0\" \"$@\"; exit $?"]], [false, true])
    func nothingIsLeftRunning(wrapper: [String], isStopped: Bool) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let process = try KaonProcess(run.arguments(["training.steps=1000000"]), ranks: 2, wrapper: wrapper)
            try process.wait("a checkpoint") { FileManager.default.fileExists(atPath: run.latest) }
            // `env` has become mpirun, or started it.
            var ranks = children(of: process.identifier)
            if !wrapper.isEmpty { ranks = ranks.flatMap(children) }
            try #require(ranks.count == 2)
            if isStopped { kill(ranks[1], SIGSTOP) }
            process.send(SIGKILL)
            let deadline = ContinuousClock.now + .seconds(10)
            while ranks.contains(where: runs), ContinuousClock.now < deadline { usleep(20_000) }
            let left = ranks.filter(runs)
            for rank in left { kill(rank, SIGKILL) }
            // A stopped rank below a shell is no child of mpirun, and the system wakes it for nobody.
            #expect(left.isEmpty || (isStopped && !wrapper.isEmpty && left == [ranks[1]]), "\(left) of \(ranks)")
            _ = try process.outcome()
        }
    }

    @Test func aRunThatWasStartedAloneOutlivesItsShell() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let shell = try KaonProcess(
                command: ["bash", "-c", "\"$0\" \"$@\" & wait", KaonProcess.program]
                    + run.arguments(["training.steps=1000000"]))
            try shell.wait("a checkpoint") { FileManager.default.fileExists(atPath: run.latest) }
            let rank = try #require(children(of: shell.identifier).first)
            shell.send(SIGKILL)
            usleep(1_500_000)
            #expect(runs(rank))
            kill(rank, SIGKILL)
            _ = try shell.outcome()
        }
    }
}
