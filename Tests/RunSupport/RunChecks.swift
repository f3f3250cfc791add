import Foundation
import HDF5
import MPI
import Runs
import Supervision
import System
import TestSupport
import Testing
import Training

/// A folder that all ranks see, removed by rank 0 once all have left.
package func withSharedFolder(_ body: (String) throws -> Void) throws {
    let folder = try world.broadcast(
        FileManager.default.temporaryDirectory.appendingPathComponent("kaon-\(UUID().uuidString)").path)
    try body(folder)
    try world.barrier()
    if world.rank == 0 { try? FileManager.default.removeItem(atPath: folder) }
}

/// A context without output.
package func silentContext(
    _ communicator: Communicator = world, stopRequested: @escaping () -> Bool = { false }
) -> RunContext {
    RunContext(communicator, Console(isSilent: true), stopRequested: stopRequested)
}

@discardableResult
package func train(
    _ options: RunOptions, on communicator: Communicator = world, shouldStop: () -> Bool = { false }
) throws -> RunOutcome {
    let outcome = try withoutActuallyEscaping(shouldStop) {
        try Training.train(options, in: silentContext(communicator, stopRequested: $0))
    }
    // Rank 0 has written when the others read.
    try communicator.barrier()
    return outcome
}

package func checkpoint(_ directory: String, step: Int) -> String {
    directory + "/checkpoints/step-" + String(format: "%08d", step) + ".h5"
}

/// The largest |a − b| / |b| of two columns of metrics.
package func difference(_ column: String, _ a: String, _ b: String) throws -> Double {
    let (a, b) = (try MetricsTable(a).values(column), try MetricsTable(b).values(column))
    try #require(a.count == b.count && !a.isEmpty)
    return zip(a, b).map { abs($0 - $1) / abs($1) }.max()!
}

package func expectSameRun(_ a: String, _ b: String, step: Int) throws {
    let states = try File(opening: checkpoint(b, step: step)).root.group("optimizer").children.map(\.name)
    #expect(!states.isEmpty)
    for group in ["model"] + states.map({ "optimizer/\($0)" }) {
        let (first, second) = (
            try bits(group, of: checkpoint(a, step: step)), try bits(group, of: checkpoint(b, step: step))
        )
        #expect(!first.isEmpty && first == second, "/\(group)")
    }
    #expect(try MetricsTable(a).reproducible == MetricsTable(b).reproducible)
}
