import Foundation
import HDF5
import RunSupport
import TestSupport
import Testing
import Training

/// `training.profile_steps`: the file of one rank, as a viewer of Chrome traces takes it.
@Suite struct StepTraceMPITests {
    private struct File: Decodable {
        let traceEvents: [Event]
    }

    private struct Event: Decodable {
        let name: String
        let cat: String
        let ph: String
        let ts: Double
        let dur: Double?
        let pid: Int
        let tid: Int

        var end: Double { ts + (dur ?? 0) }

        func contains(_ other: Event) -> Bool { ts <= other.ts && other.end <= end + 0.001 }
    }

    private func trace(_ path: String) throws -> [Event] {
        try JSONDecoder().decode(File.self, from: Data(contentsOf: URL(fileURLWithPath: path))).traceEvents
    }

    private func files(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("trace") }
    }

    @Test func barsAreNestedAndFillTheStep() throws {
        try withSharedFolder { folder in
            let rank = world.size - 1
            let options = try tinyRun(
                folder, "training.profile_steps=[19, 22]", "training.profile_rank=\(rank)",
                "training.checkpoint_interval=21")
            try train(options)
            guard world.rank == 0 else { return }
            #expect(try files(folder) == ["trace-steps-19-22.rank-\(rank).json"])
            let events = try trace("\(folder)/trace-steps-19-22.rank-\(rank).json")
            #expect(events.allSatisfy { $0.pid == rank })
            let bars = events.filter { $0.ph == "X" }
            for row in Set(bars.map(\.tid)) {
                var open: [Event] = []
                for bar in bars.filter({ $0.tid == row }).sorted(by: { ($0.ts, -$0.end) < ($1.ts, -$1.end) }) {
                    while let last = open.last, last.end <= bar.ts + 0.0005 { open.removeLast() }
                    if let last = open.last { #expect(last.contains(bar), "\(bar) leaves \(last)") }
                    open.append(bar)
                }
            }
            let steps = bars.filter { $0.cat == "step" }
            #expect(steps.map(\.name) == (19...22).map { "step \($0)" })
            let loop = bars.filter { $0.tid == 0 && $0.cat != "step" }
            let phases = loop.filter { $0.cat == "phase" }
            var filled: [Double] = []
            for step in steps {
                // Operations outside the phases of the step are parts of their own.
                let parts = loop.filter { bar in
                    step.contains(bar) && (bar.cat == "phase" || !phases.contains { $0.contains(bar) })
                }
                filled.append(parts.reduce(0) { $0 + $1.dur! } / step.dur!)
                let names = Set(parts.map(\.name))
                let always: Set = ["waiting for jets", "masks and targets", "waiting for sums", "optimizer"]
                #expect(names.isSuperset(of: always), "\(names)")
                let passes = names.count { $0.hasPrefix("forward") }
                #expect(passes > 0 && passes == names.count { $0.hasPrefix("backward") })
                #expect(names.contains("validation") == (step.name == "step 20"))
                #expect(names.contains("checkpoint copy") == (step.name == "step 21"))
                let operations = loop.filter { $0.cat == "operation" && step.contains($0) }.map(\.name)
                #expect(
                    operations.contains("self-attention") && operations.contains("linear gradient"), "\(operations)")
            }
            // A process that others interrupt between two bars must not fail the test.
            #expect(filled.max()! > 0.9 && filled.allSatisfy { $0 < 1.001 }, "\(filled)")
            let sums = bars.filter { $0.cat == "sum" }
            #expect(sums.isEmpty == (world.size == 1) && sums.allSatisfy { $0.tid > 0 })
        }
    }

    /// A run that stops among its steps writes those that were done.
    @Test func aStopLeavesWhatWasDone() throws {
        try withSharedFolder { folder in
            var calls = 0
            try train(try tinyRun(folder, "training.profile_steps=[2, 9]")) {
                calls += 1
                return calls > 4
            }
            guard world.rank == 0 else { return }
            let steps = try trace(folder + "/trace-steps-2-9.rank-0.json").filter { $0.cat == "step" }
            #expect(steps.map(\.name) == ["step 2", "step 3", "step 4"])
        }
    }

    @Test func withoutTheKeyNothingIsWritten() throws {
        try withSharedFolder { folder in
            try train(try tinyRun(folder, "training.steps=3"))
            if world.rank == 0 { #expect(try files(folder) == []) }
        }
    }

    @Test(arguments: [
        ("[5, 3]", "expected a step, or the first and the last step as in [100, 110], found [5, 3]"),
        ("[]", "expected a step, or the first and the last step as in [100, 110], found []"),
        ("[31, 40]", "begins at step 31, but training.steps is 30"),
    ])
    func stepsThatDoNotFitAreRefused(value: String, complaint: String) {
        #expect(
            failure { _ = try tinyRun("x", "training.profile_steps=\(value)") }
                == "on the command line: training.profile_steps: \(complaint)")
    }

    @Test func aRankThatIsNotThereIsRefused() throws {
        try withSharedFolder { folder in
            let options = try tinyRun(folder, "training.profile_steps=1", "training.profile_rank=\(world.size)")
            #expect(failure { try train(options) }.hasPrefix("training.profile_rank is \(world.size), but the run has"))
        }
    }
}
