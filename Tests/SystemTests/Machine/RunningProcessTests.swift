import Foundation
import System
import Testing

@Suite struct RunningProcessTests {
    @Test func theCurrentProcessIsDescribed() throws {
        let current = RunningProcess.current
        #expect(current.exists)
        #expect(current.parent == RunningProcess.parentOfCurrent)
        #expect(current.status.parent == getppid())
        #expect(!ProcessStatus().allowedCores.isEmpty)
        #expect(ProcessStatus()["Name"] != nil && ProcessStatus()["none"] == nil)
        #expect(ProcessStatus.peakMemory > 1)
    }

    /// A file of `/proc` of several pages is read to its end.
    @Test func longSystemFilesAreReadWhole() throws {
        let pages = (0..<600).map { index in
            // Neighbours of different protection are not joined.
            mmap(nil, 4096, index % 2 == 0 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        }
        defer { for page in pages { munmap(page, 4096) } }
        let text = try #require(systemText("/proc/self/maps"))
        #expect(text.utf8.count > 3 * 4096 && text.hasSuffix("\n"))
        #expect(text.contains("[stack]"))
        #expect(systemText("/proc/none/maps") == nil)
    }

    @Test func aChildIsDescribed() throws {
        let child = Process()
        child.executableURL = URL(fileURLWithPath: "/bin/sleep")
        child.arguments = ["60"]
        child.environment = ["KAON_TEST": "1"]
        child.standardOutput = FileHandle.nullDevice
        try child.run()
        let process = RunningProcess(child.processIdentifier)
        #expect(process.parent == .current && process.exists && !process.status.isTraced)
        // The new program has its environment shortly after the child has started.
        let deadline = ContinuousClock.now + .seconds(10)
        while !process.wasStarted(withVariable: "KAON_TEST"), ContinuousClock.now < deadline { usleep(10_000) }
        #expect(process.wasStarted(withVariable: "KAON_TEST") && !process.wasStarted(withVariable: "KAON"))
        #expect(process.standardOutput == "/dev/null")
        child.terminate()
        child.waitUntilExit()
        #expect(!process.exists && process.parent == nil && process.standardOutput == nil)
    }

    /// In a process of its own, whose signals no other test uses.
    @Test func handlersAreInstalledAndRestored() async {
        await #expect(processExitsWith: .exitCode(3)) {
            StopSignal.install()
            let previous = handleSignal(SIGTERM) { _ in _exit(3) }
            restoreSignal(SIGTERM, previous)
            kill(getpid(), SIGTERM)
            let deadline = ContinuousClock.now + .seconds(10)
            while !StopSignal.hasArrived, ContinuousClock.now < deadline { usleep(1000) }
            guard StopSignal.hasArrived else { exit(1) }
            handleSignal(SIGTERM) { _ in _exit(3) }
            kill(getpid(), SIGTERM)
            sleep(10)
        }
    }

    @Test func workRunsInOrder() {
        final class Record: @unchecked Sendable { var values: [Int] = [] }
        let (task, record) = (BackgroundTask(), Record())
        for value in 0..<20 {
            task.start {
                usleep(1000)
                record.values.append(value)
            }
        }
        task.finish()
        #expect(record.values == Array(0..<20))
    }
}
