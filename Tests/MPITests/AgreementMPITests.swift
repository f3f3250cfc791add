import MPI
import TestSupport
import Testing

extension CommunicatorMPITests {
    @Suite(.serialized) struct AgreementMPITests {
        var rank: Int { world.rank }
        var last: Int { world.size - 1 }

        @Test func successIsReturned() throws {
            #expect(try world.agree { rank } == rank)
        }

        @Test func aFailureIsThrownOnAllRanks() throws {
            let error = #expect(throws: AgreedError.self) {
                try world.agree { if rank == last { throw Failure(description: "no data ☹") } }
            }
            // If there is only one rank, all have failed with the same message.
            #expect(error?.message == (last == 0 ? "no data ☹" : "rank \(last): no data ☹"))
        }

        @Test func theLowestFailureIsThrown() throws {
            let error = #expect(throws: AgreedError.self) {
                try world.agree { throw Failure(description: "failure \(rank)") }
            }
            #expect(error?.message == (last == 0 ? "failure 0" : "rank 0: failure 0"))
        }

        @Test func aCommonFailureNamesNoRank() throws {
            let error = #expect(throws: AgreedError.self) {
                try world.agree { throw Failure(description: "no such file") }
            }
            #expect(error?.description == "no such file")
        }

        @Test func agreementsNest() throws {
            let error = #expect(throws: AgreedError.self) {
                try world.agree {
                    try world.agree { if rank == last { throw Failure(description: "deep") } }
                }
            }
            #expect(error?.message == (last == 0 ? "deep" : "rank \(last): deep"))
        }

        @Test func onlyTheRootRunsTheWork() throws {
            #expect(try world.onRoot { "done by \(rank)" } == (rank == 0 ? "done by 0" : nil))
            let error = #expect(throws: AgreedError.self) {
                try world.onRoot { throw Failure(description: "not an HDF5 file") }
            }
            #expect(error?.message == "not an HDF5 file")
        }

        @Test func collectivesWorkAfterAFailure() throws {
            for _ in 0..<20 {
                _ = try? world.agree { if rank == last { throw Failure(description: "again") } }
                _ = try? world.onRoot { throw Failure(description: "again") }
            }
            #expect(try world.allReduce(1) == world.size)
        }
    }
}
