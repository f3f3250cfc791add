import Foundation
import MPI
import Supervision
import System
import Tensors

/// Starts MPI as kaon does and fails on one rank, while the other ranks wait for it.
///
///     fatal invariant|thread|memory RANK
///
/// FatalErrorTests run it and read its messages.
@main
enum FatalErrors {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count == 3, let rank = Int(arguments[2]) else {
            FileHandle.standardError.write(Data("usage: fatal invariant|thread|memory RANK\n".utf8))
            exit(64)
        }
        Launch.onAllRanks { context in
            let (communicator, console) = (context.communicator, context.console)
            console.say("\(communicator.size) ranks")
            // mpirun would end rank 0 before it has printed.
            try communicator.barrier()
            if communicator.rank == rank {
                switch arguments[1] {
                case "thread":
                    // Several threads fail together, as those that share the work of a faulty operation.
                    for _ in 0..<4 { Thread { breakInvariant() }.start() }
                case "memory": console.say("\(Tensor(shape: [1 << 45]).shape)")
                default: breakInvariant()
                }
            }
            if communicator.rank != rank { try communicator.barrier() } else { sleep(60) }
            return .finished
        }
    }

    private static func breakInvariant() {
        let jets = 12
        invariant(jets < 0, "the batch has \(jets) jets")
    }
}
