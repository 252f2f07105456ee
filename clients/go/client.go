// Package samegate is a client of samegate: it finds the images of a library that are wholly or
// partly the same as another image.
//
// Responses are the messages of the contract, in [samegate/v1]. What fails is an [*Error]:
//
//	var failure *samegate.Error
//	if errors.As(err, &failure) && failure.IsTransient() { … }
//
// All methods may be called from several goroutines.
package samegate

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // Lets the channel ask the health service.
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "samegate/v1"
)

// DefaultTimeout is the deadline of a unary call, its retries included.
const DefaultTimeout = 30 * time.Second

// gRPC sends a request again by itself that no gateway has read, such as one over a connection that
// closes, unless it is larger: by default 256 KiB, less than a photograph.
const retryBufferBytes = 64 << 20

// gRPC's own limit of the backoff is 2 minutes, for which calls fail after a gateway is back.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: time.Second, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
	MinConnectTimeout: 20 * time.Second,
}

// Options are the settings of a client. The zero value calls without a key and without TLS.
type Options struct {
	// APIKey is a key or a token, sent with every call: in plain text if there is no TLS.
	APIKey string
	// KeyFunc returns the present key or token instead. It is called for every call and stream, from
	// the goroutine of the call; its error is the error of the call.
	KeyFunc func(context.Context) (string, error)
	// Library of every call. Default: the tenant's first one.
	Library string
	// Timeout of a unary call, its retries included, if its context has no deadline of its own.
	// Default: DefaultTimeout. Streams have none.
	Timeout time.Duration
	// TLS of the connection, for example &tls.Config{} or that of TLSFiles. Default: no TLS.
	TLS *tls.Config
	// HealthChecks says whether an address whose gateway is not serving gets no call. Not for a proxy,
	// where the health of one gateway would count for all.
	HealthChecks bool
	// DialOptions are further options of gRPC, which override the client's.
	DialOptions []grpc.DialOption
}

// String leaves out the key, for the log of a program that writes its settings.
func (o Options) String() string {
	return fmt.Sprintf("library %q, timeout %v, TLS %t", o.Library, o.Timeout, o.TLS != nil)
}

// Client is a client of one gateway, or of all its replicas. Make one for the process.
type Client struct {
	options    Options // Without the key, which a printed client would show.
	key        func(context.Context) (string, error)
	connection *grpc.ClientConn
	stub       pb.SameImageServiceClient
	// Closed once by close, for calls that wait for a retry.
	closed chan struct{}
	close  func()
}

// New makes a client; it connects with the first call. The target is HOST:PORT, of which every
// address is used, or another name that gRPC resolves.
func New(target string, options Options) (*Client, error) {
	options.Timeout = cmp.Or(options.Timeout, DefaultTimeout)
	key := options.APIKey
	options.APIKey = ""
	closed := make(chan struct{})
	client := &Client{options: options, key: options.KeyFunc, closed: closed}
	client.close = sync.OnceFunc(func() { close(closed) })
	if client.key == nil {
		client.key = func(context.Context) (string, error) { return key, nil }
	}
	transport := insecure.NewCredentials()
	if options.TLS != nil {
		transport = credentials.NewTLS(options.TLS)
	}
	config := serviceConfig
	if options.HealthChecks {
		config = healthCheckedConfig
	}
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(config),
		grpc.WithConnectParams(reconnect),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute}),
		grpc.WithDefaultCallOptions(grpc.MaxRetryRPCBufferSize(retryBufferBytes)),
		grpc.WithChainUnaryInterceptor(client.call),
		grpc.WithChainStreamInterceptor(client.openStream),
	}
	connection, err := grpc.NewClient(target, append(dial, options.DialOptions...)...)
	if err != nil {
		return nil, fmt.Errorf("samegate client of %q: %w", target, err)
	}
	client.connection, client.stub = connection, pb.NewSameImageServiceClient(connection)
	return client, nil
}

// Close closes the connections; calls that run fail, also those that wait for a retry.
func (c *Client) Close() error {
	c.close()
	return c.connection.Close()
}

// Stub returns the generated client for what has no method here, such as deletions by a filter. Its
// calls have the key, deadline, retries and errors of this client; its requests name the library.
func (c *Client) Stub() pb.SameImageServiceClient { return c.stub }

// IsServing asks the health service; false also for a gateway that is not there or does not respond.
func (c *Client) IsServing(ctx context.Context) (bool, error) {
	health := grpc_health_v1.NewHealthClient(c.connection)
	request := &grpc_health_v1.HealthCheckRequest{Service: pb.SameImageService_ServiceDesc.ServiceName}
	response, err := health.Check(ctx, request)
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded:
		// With health checks the channel itself leaves out a gateway that is not serving.
		return false, nil
	}
	return response.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING, err
}

// openStream is what every stream does beside its own. Streams are resumed by this package: gRPC
// need not keep what they send.
func (c *Client) openStream(
	ctx context.Context, description *grpc.StreamDesc, connection *grpc.ClientConn, method string,
	open grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	ctx, err := c.withKey(ctx)
	if err != nil {
		return nil, err
	}
	options = append(options, grpc.MaxRetryRPCBufferSize(0))
	stream, err := open(ctx, description, connection, method, options...)
	return stream, callError(ctx, err, nil)
}

func (c *Client) withKey(ctx context.Context) (context.Context, error) {
	key, err := c.key(ctx)
	if err != nil {
		return nil, fmt.Errorf("key for the gateway: %w", err)
	}
	if key == "" {
		return ctx, nil
	}
	if strings.ContainsFunc(key, func(sign rune) bool { return sign < ' ' || sign > '~' }) {
		message := "the key has a line break or another sign that a header cannot have"
		return nil, &Error{Code: codes.InvalidArgument, Reason: invalidKey, Message: message}
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key), nil
}

// Calls go to all addresses of the target, one after the other.
const (
	serviceConfig       = `{"loadBalancingConfig": [{"round_robin": {}}]}`
	healthCheckedConfig = `{
		"loadBalancingConfig": [{"round_robin": {}}],
		"healthCheckConfig": {"serviceName": "samegate.v1.SameImageService"}
	}`
)
